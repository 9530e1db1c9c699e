#include "services/migration/engine/run/script_renderer.h"

#include <set>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "common/pg/connection.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/gate.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/script_guard.h"
#include "services/migration/engine/run/script_repeatables.h"
#include "services/migration/engine/run/script_text.h"
#include "services/migration/engine/run/script_verify.h"
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
           std::string target, JsonObject details = {})
      : graph_(graph),
        before_(before),
        plan_(plan),
        kind_(std::move(kind)),
        target_(std::move(target)),
        details_(std::move(details)) {}

  std::string Render();

 private:
  void RenderStart();
  void RenderStep(const PlanItem& item, std::size_t n);
  void RenderTransaction(const ScriptUndo& undo, bool is_last);
  void RenderConcurrent(const ScriptUndo& undo, bool is_last);
  void RenderVerifications();
  std::string RecordSql(const Revision& revision, const Step& step, bool is_last) const;
  std::string StepEvents(const Revision& revision, const Step& step, bool is_last) const;

  const Graph& graph_;
  const AppliedState& before_;
  const Plan& plan_;
  const std::string kind_;
  const std::string target_;
  const JsonObject details_;  // of the event that opens the run
  std::string sql_;
  Touched touched_;
};

// A script waits for nobody: a CONTRACT needs that no build is in use. The record is that of a gate
// which found nobody.
std::string GateScript(const Revision& revision, bool is_first) {
  if (revision.phase != Phase::kContract) return "";
  const RunSql run = ScriptRunSql();
  std::string sql =
      "-- fails while a build of a service is in use (lockstep builds)\n"
      "SELECT migration.begin_contract(" +
      pg::QuoteLiteral(revision.service) + ", '{}'::text[]);\n";
  if (!is_first) return sql;
  Happening opened{.kind = "gate_opened",
                   .message = "the gate of revision " + revision.id + " (" + revision.title +
                              ") is open: 0 builds in use were looked at",
                   .revision = revision.id};
  opened.details = JsonObject(GateState().ToJson());
  opened.details["soak"] = nullptr;
  sql += "INSERT INTO migration.gates (run_id, revision, actor, evidence) VALUES (" + run.run +
         ", " + pg::QuoteLiteral(revision.id) + ", " + run.actor + ", " +
         pg::QuoteLiteral(opened.details.text()) + ");\n";
  return sql + EventScript(opened);
}

StepTaskText TaskText(const Revision& revision, const Step& step, Direction direction) {
  return {revision, step, direction};
}

void Renderer::RenderStart() {
  sql_ += "-- lockstep " + kind_ + " " + target_ +
          "\n-- Run with: psql -v ON_ERROR_STOP=1 -f FILE, as lockstep_migrator.\n\\set "
          "ON_ERROR_STOP on\n";
  sql_ += TakeLeaseScript(kind_, target_);
  std::vector<const Revision*> expected;
  for (const auto& [id, applied] : before_.revisions) {
    expected.push_back(&graph_.at(*graph_.Find(id)));
  }
  sql_ += ExpectRevisionsScript(expected, plan_.from_heads);
  sql_ += EventScript(
      {.kind = "run_started", .message = kind_ + " " + target_ + " by ", .details = details_},
      {.suffix = " || current_setting('lockstep.actor')"});
  if (plan_.direction == Direction::kDown) {
    sql_ += NoRepeatablesScript() + PreflightScript(graph_, plan_);
  }
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

void Renderer::RenderTransaction(const ScriptUndo& undo, bool is_last) {
  const Revision& revision = undo.revision;
  const Step& step = undo.step;
  const bool is_up = plan_.direction == Direction::kUp;
  const bool is_privileged = step.kind == StepKind::kPrivileged;
  const Script& script = is_up ? step.up : step.down;
  const Boundary boundary = BoundaryOf(revision);
  const StepTaskText task = TaskText(revision, step, plan_.direction);
  sql_ += BeginSql(ScriptRunSql(), step.limits);
  if (is_up) sql_ += GateScript(revision, undo.is_first);
  sql_ += StartedScript(task, script);
  if (!is_up) sql_ += BeginUndoSql(revision);
  if (!is_up || !is_privileged) sql_ += EnterRoleSql(OwnerRole(revision.service));
  if (!is_up) sql_ += GuardScript(undo);
  if (is_privileged) sql_ += "SET LOCAL ROLE NONE;\n";
  if (!is_privileged) sql_ += BaselineScript(boundary);
  sql_ += EnterLegacySql(revision);
  sql_ += "\n-- " + script.file + "\n" + JoinStatements(script.statements) + "\n";
  if (is_up && !step.copy_data.empty()) {
    // psql takes the rows from the lines after the semicolon.
    while (sql_.ends_with('\n')) sql_.pop_back();
    sql_ += "\n" + step.copy_data + (step.copy_data.ends_with('\n') ? "" : "\n") + "\\.\n";
  }
  sql_ += LeaveLegacySql(revision, step.limits);
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
  if (!is_up) sql_ += GuardSilentScript(undo);
  sql_ += StepEvents(revision, step, is_last) + "COMMIT;\n";
}

void Renderer::RenderConcurrent(const ScriptUndo& undo, bool is_last) {
  const Revision& revision = undo.revision;
  const Step& step = undo.step;
  const bool is_up = plan_.direction == Direction::kUp;
  const Script& script = is_up ? step.up : step.down;
  const RunSql run = ScriptRunSql();
  const StepTaskText task = TaskText(revision, step, plan_.direction);
  sql_ += BeginSql(run, step.limits);
  if (is_up) sql_ += GateScript(revision, undo.is_first);
  sql_ += StartedScript(task, script);
  if (!is_up) {
    sql_ += BeginUndoSql(revision) + EnterRoleSql(OwnerRole(revision.service)) + GuardScript(undo) +
            "SET LOCAL ROLE NONE;\n" + GuardSilentScript(undo);
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

void Renderer::RenderStep(const PlanItem& item, std::size_t n) {
  const Revision& revision = graph_.at(item.position);
  const Step& step = revision.steps[item.steps[n]];
  ScriptUndo undo{.revision = revision, .step = step, .is_first = n == 0, .later = {}};
  for (std::size_t later = n + 1; later < item.steps.size(); ++later) {
    undo.later.push_back(&revision.steps[item.steps[later]].down);
  }
  const bool is_last = n + 1 == item.steps.size();
  sql_ += "\n-- " + TaskText(revision, step, plan_.direction).text() + "\n";
  if (step.kind == StepKind::kNonTransactional) {
    RenderConcurrent(undo, is_last);
  } else {
    RenderTransaction(undo, is_last);
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
  sql_ += VerificationsScript(graph_, StateWith(graph_, left), touched_);
}

std::string Renderer::Render() {
  RenderStart();
  for (const PlanItem& item : plan_.items) {
    const Revision& revision = graph_.at(item.position);
    for (std::size_t n = 0; n < item.steps.size(); ++n) RenderStep(item, n);
    if (plan_.direction == Direction::kUp) touched_.revisions.insert(revision.id);
    if (plan_.direction == Direction::kDown) {
      sql_ +=
          EventScript({.kind = "revision_finished",
                       .message = "revision " + revision.id + " (" + revision.title + ") is undone",
                       .revision = revision.id});
    }
  }
  if (plan_.direction == Direction::kUp) sql_ += RepeatablesScript(graph_, plan_, touched_);
  RenderVerifications();
  sql_ += FinishScript();
  return std::move(sql_);
}

// A script cannot hold itself back, go on where it was broken off, or verify range by range; nor
// compare views and find what hangs on them.
absl::Status RefuseWhatNeedsEngine(const Graph& graph, const Plan& plan) {
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    for (const std::size_t index : item.steps) {
      const Step& step = revision.steps[index];
      const bool is_backfill = step.kind == StepKind::kBackfill;
      if (!is_backfill && step.kind != StepKind::kViewRewrite) continue;
      return Error(absl::StatusCode::kFailedPrecondition,
                   is_backfill ? "BACKFILL_NEEDS_ENGINE" : "VIEW_REWRITE_NEEDS_ENGINE",
                   "revision " + revision.id + " step " + step.name + " is a " +
                       (is_backfill ? "backfill" : "view rewrite") +
                       ", which no script can do; run `lockstep upgrade` without "
                       "--sql, with --direct where there is no service")
          .With("revision", std::string_view(revision.id));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RenderUpgrade(const Graph& graph, std::string_view target,
                                          const ScriptOptions& options) {
  ASSIGN_OR_RETURN(const Target from,
                   ResolveTarget(graph, options.from.empty() ? "base" : options.from, {}));
  const AppliedState state = StateWith(graph, from.members);
  ASSIGN_OR_RETURN(const Plan plan, PlanUpgrade(graph, state, target));
  RETURN_IF_ERROR(RefuseWhatNeedsEngine(graph, plan));
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
  return Renderer(graph, state, plan, "downgrade", std::string(target),
                  JsonObject(std::move(details)))
      .Render();
}

}  // namespace lockstep::migration
