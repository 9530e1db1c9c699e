#include "services/migration/engine/run/script_renderer.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/pg/connection.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "nlohmann/json.hpp"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/script_text.h"
#include "services/migration/engine/run/step_sql.h"
#include "services/migration/engine/run/verifier.h"
#include "services/migration/engine/target.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

// The ledger as if exactly `members` were applied from the files at hand.
AppliedState StateWith(const Graph& graph, const RevisionSet& members) {
  AppliedState state;
  for (const std::size_t position : members) {
    const Revision& revision = graph.at(position);
    AppliedRevision& applied = state.revisions[revision.id];
    applied.service = revision.service;
    applied.is_complete = true;
    applied.checksum = revision.checksum;
    for (const Step& step : revision.steps) {
      applied.steps.push_back(
          {.ordinal = step.ordinal, .name = step.name, .checksum = step.checksum});
    }
  }
  return state;
}

class Renderer {
 public:
  Renderer(const Graph& graph, const AppliedState& before, const Plan& plan, std::string kind,
           std::string target, nlohmann::json details = nlohmann::json::object())
      : graph_(graph),
        before_(before),
        plan_(plan),
        kind_(std::move(kind)),
        target_(std::move(target)),
        details_(std::move(details)) {}

  std::string Render();

 private:
  void RenderStart();
  void RenderStep(const Revision& revision, const Step& step, bool is_last, bool asks_guard);
  void RenderTransaction(const Revision& revision, const Step& step, bool is_last, bool asks_guard);
  void RenderConcurrent(const Revision& revision, const Step& step, bool is_last, bool asks_guard);
  void RenderGuard(const Revision& revision, const Step& step);
  void RenderVerifications();
  std::string RecordSql(const Revision& revision, const Step& step, bool is_last) const;
  std::string StepEvents(const Revision& revision, const Step& step, bool is_last) const;

  const Graph& graph_;
  const AppliedState& before_;
  const Plan& plan_;
  const std::string kind_;
  const std::string target_;
  const nlohmann::json details_;  // of the event that opens the run
  std::string sql_;
  Touched touched_;
};

StepTaskText TaskText(const Revision& revision, const Step& step, Direction direction) {
  return {revision, step, direction};
}

void Renderer::RenderStart() {
  sql_ += "-- lockstep " + kind_ + " " + target_ +
          "\n-- Run with: psql -v ON_ERROR_STOP=1 -f FILE, as lockstep_migrator.\n\\set "
          "ON_ERROR_STOP on\n";
  sql_ += TakeLeaseScript(kind_, target_);
  std::vector<std::string> expected;
  for (const auto& [id, applied] : before_.revisions) expected.push_back(id);
  sql_ += ExpectRevisionsScript(expected, plan_.from_heads);
  sql_ += EventScript(
      {.kind = "run_started", .message = kind_ + " " + target_ + " by ", .details = details_},
      " || current_setting('lockstep.actor')");
}

std::string Renderer::RecordSql(const Revision& revision, const Step& step, bool is_last) const {
  const RunSql run = ScriptRunSql();
  if (plan_.direction == Direction::kDown) return RecordUndoSql(run, revision, step);
  std::string sql = RecordStepSql(run, revision, step);
  if (is_last) sql += RecordRevisionSql(run, revision);
  return sql;
}

std::string Renderer::StepEvents(const Revision& revision, const Step& step, bool is_last) const {
  const StepTaskText task = TaskText(revision, step, plan_.direction);
  const bool is_up = plan_.direction == Direction::kUp;
  std::string sql =
      EventScript(task.Event("step_finished", task.text() + (is_up ? ": applied" : ": undone")));
  if (is_last && is_up) {
    Happening finished = task.Event(
        "revision_finished", "revision " + revision.id + " (" + revision.title + ") is applied");
    finished.step = 0;
    finished.step_name.clear();
    sql += EventScript(finished);
  }
  return sql;
}

void Renderer::RenderGuard(const Revision& revision, const Step& step) {
  std::set<std::string> tables(step.down.facts.written.begin(), step.down.facts.written.end());
  tables.insert(revision.guard.facts.read.begin(), revision.guard.facts.read.end());
  std::erase_if(tables, [&](const std::string& table) {
    return OwnerOf(table.substr(0, table.find('.'))) != revision.service;
  });
  sql_ += LockTablesScript({tables.begin(), tables.end()});
  for (const std::string& statement : revision.guard.statements) {
    sql_ += GuardScript(revision, statement);
  }
}

void Renderer::RenderTransaction(const Revision& revision, const Step& step, bool is_last,
                                 bool asks_guard) {
  const bool is_up = plan_.direction == Direction::kUp;
  const bool is_privileged = step.kind == StepKind::kPrivileged;
  const Script& script = is_up ? step.up : step.down;
  const Boundary boundary = BoundaryOf(revision);
  const RunSql run = ScriptRunSql();
  const StepTaskText task = TaskText(revision, step, plan_.direction);
  sql_ += BeginSql(run, step.limits);
  sql_ += StartedScript(task, script);
  if (!is_up) sql_ += SameArchiveScript(revision, step) + BeginUndoSql(revision);
  if (!is_privileged) sql_ += EnterRoleSql(OwnerRole(revision.service));
  if (!is_up && asks_guard && !is_privileged) RenderGuard(revision, step);
  if (!is_privileged) sql_ += BaselineScript(boundary);
  sql_ += "\n-- " + script.file + "\n" + JoinStatements(script.statements) + "\n";
  sql_ += kFireConstraints;
  sql_ += "SELECT set_config('lockstep.checks', '[]', true);\n";
  if (is_up) {
    for (std::size_t i = 0; i < step.expect.statements.size(); ++i) {
      sql_ += ExpectationScript(revision, CheckId(step.expect, i), step.expect.statements[i]);
    }
  }
  if (!is_privileged) {
    sql_ +=
        BoundaryScript(boundary, StateText(OwnerRole(revision.service), step.limits), task.text());
  }
  if (is_up && !step.expect.empty()) sql_ += CheckExpectationsScript(task);
  sql_ += RecordSql(revision, step, is_last);
  if (is_up && !step.expect.empty()) sql_ += RecordChecksScript();
  sql_ += StepEvents(revision, step, is_last) + "COMMIT;\n";
}

void Renderer::RenderConcurrent(const Revision& revision, const Step& step, bool is_last,
                                bool asks_guard) {
  const bool is_up = plan_.direction == Direction::kUp;
  const Script& script = is_up ? step.up : step.down;
  const RunSql run = ScriptRunSql();
  const StepTaskText task = TaskText(revision, step, plan_.direction);
  sql_ += BeginSql(run, step.limits) + StartedScript(task, script);
  if (!is_up) {
    sql_ += SameArchiveScript(revision, step) + BeginUndoSql(revision);
    sql_ += EnterRoleSql(OwnerRole(revision.service));
    if (asks_guard) RenderGuard(revision, step);
  }
  sql_ += "COMMIT;\n";
  for (std::size_t i = 0; i < script.statements.size(); ++i) {
    sql_ += IntentScript(revision, step, plan_.direction, static_cast<int>(i) + 1,
                         script.statements[i]);
    sql_ += "SELECT migration.assert_lease(" + run.lease + ");\n";
    sql_ += "SET lock_timeout = 0; SET statement_timeout = 0; SET ROLE " +
            pg::QuoteIdentifier(OwnerRole(revision.service)) + ";\n";
    sql_ += "-- " + script.file + "\n" + script.statements[i] + "\n;\n";
    sql_ += "RESET ROLE; RESET lock_timeout; RESET statement_timeout;\n";
  }
  sql_ += BeginSql(run, step.limits);
  for (const IndexBuild& build : script.facts.concurrent_indexes) sql_ += IndexIsValidScript(build);
  sql_ += RecordSql(revision, step, is_last) +
          ForgetIntentsScript(revision, step, plan_.direction) +
          StepEvents(revision, step, is_last) + "COMMIT;\n";
}

void Renderer::RenderStep(const Revision& revision, const Step& step, bool is_last,
                          bool asks_guard) {
  sql_ += "\n-- " + TaskText(revision, step, plan_.direction).text() + "\n";
  if (step.kind == StepKind::kNonTransactional) {
    RenderConcurrent(revision, step, is_last, asks_guard);
  } else {
    RenderTransaction(revision, step, is_last, asks_guard);
  }
  touched_.Add(revision, plan_.direction == Direction::kUp ? step.up : step.down);
}

void Renderer::RenderVerifications() {
  RevisionSet left;
  std::set<std::size_t> planned;
  for (const PlanItem& item : plan_.items) planned.insert(item.position);
  for (std::size_t i = 0; i < graph_.size(); ++i) {
    const bool was_applied = before_.revisions.contains(graph_.at(i).id);
    const bool is_applied = plan_.direction == Direction::kUp ? was_applied || planned.contains(i)
                                                              : was_applied && !planned.contains(i);
    if (is_applied) left.push_back(i);
  }
  const AppliedState after = StateWith(graph_, left);
  const RevisionSet affected = Affected(graph_, after, touched_);
  if (affected.empty()) return;
  int checks = 0;
  sql_ += "\n-- verifications\nBEGIN;\nSELECT migration.assert_lease(" + ScriptRunSql().lease +
          ");\nSELECT set_config('lockstep.checks', '[]', true);\n";
  for (const std::size_t position : affected) {
    const Revision& revision = graph_.at(position);
    const bool may_be_gone = WasDroppedInOrder(graph_, after, position);
    sql_ += EnterRoleSql(OwnerRole(revision.service));
    for (std::size_t i = 0; i < revision.verify.statements.size(); ++i) {
      sql_ += VerificationScript(revision, CheckId(revision.verify, i),
                                 revision.verify.statements[i], may_be_gone);
      ++checks;
    }
  }
  sql_ += "SET LOCAL ROLE NONE;\n" + RecordChecksScript() +
          EventScript({.kind = "verification",
                       .message = absl::StrFormat("%d verifications of %d revisions hold", checks,
                                                  affected.size())}) +
          "COMMIT;\n";
}

std::string Renderer::Render() {
  RenderStart();
  for (const PlanItem& item : plan_.items) {
    const Revision& revision = graph_.at(item.position);
    for (const std::size_t index : item.steps) {
      RenderStep(revision, revision.steps[index], index == item.steps.back(),
                 index == item.steps.front());
    }
    touched_.revisions.insert(revision.id);
    if (plan_.direction == Direction::kDown) {
      sql_ +=
          EventScript({.kind = "revision_finished",
                       .message = "revision " + revision.id + " (" + revision.title + ") is undone",
                       .revision = revision.id});
    }
  }
  RenderVerifications();
  sql_ += FinishScript();
  return std::move(sql_);
}

}  // namespace

absl::StatusOr<std::string> RenderUpgrade(const Graph& graph, std::string_view target,
                                          const ScriptOptions& options) {
  ASSIGN_OR_RETURN(const Target from,
                   ResolveTarget(graph, options.from.empty() ? "base" : options.from, {}));
  const AppliedState state = StateWith(graph, from.members);
  ASSIGN_OR_RETURN(const Plan plan, PlanUpgrade(graph, state, target));
  return Renderer(graph, state, plan, "upgrade", std::string(target)).Render();
}

absl::StatusOr<std::string> RenderDowngrade(const Graph& graph, std::string_view target,
                                            const ScriptOptions& options) {
  ASSIGN_OR_RETURN(const Target from,
                   ResolveTarget(graph, options.from.empty() ? "head" : options.from, {}));
  const AppliedState state = StateWith(graph, from.members);
  ASSIGN_OR_RETURN(const Plan plan, PlanDowngrade(graph, state, target));
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    if (!revision.irreversible_reason.empty() && !options.allow_irreversible) {
      return Error(absl::StatusCode::kFailedPrecondition, "IRREVERSIBLE",
                   "revision " + revision.id + " (" + revision.title +
                       ") is irreversible: " + revision.irreversible_reason)
          .With("revision", std::string_view(revision.id));
    }
  }
  nlohmann::json details = {{"archive", false}, {"allow_irreversible", options.allow_irreversible}};
  return Renderer(graph, state, plan, "downgrade", std::string(target), std::move(details))
      .Render();
}

}  // namespace lockstep::migration
