#include <algorithm>
#include <set>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/plan_runner.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/undo.h"

namespace lockstep::migration {
namespace {

class Finder {
 public:
  Finder(pg::Connection& connection, const AppliedState& state, const RunOptions& run)
      : connection_(connection), state_(state), run_(run) {}

  absl::Status Look(const Revision& revision);
  // What the undo of `revision` changes before those that follow.
  void Undone(const Revision& revision);
  std::vector<DowngradeBlocker> Take() { return std::move(found_); }

 private:
  absl::Status LookAtInstances(const Revision& revision);
  absl::Status LookAtGuard(const Revision& revision);
  bool MayChangeBefore(const Script& guard) const;

  pg::Connection& connection_;
  const AppliedState& state_;
  const RunOptions& run_;
  std::set<std::string> changed_;  // tables that earlier undos of the plan change
  bool has_hidden_changes_ = false;
  std::vector<DowngradeBlocker> found_;
};

absl::Status Finder::Look(const Revision& revision) {
  if (!revision.irreversible_reason.empty()) {
    absl::Status refusal;
    if (!run_.allow_irreversible) {
      refusal = Error(absl::StatusCode::kFailedPrecondition, "IRREVERSIBLE",
                      "revision " + revision.id + " (" + revision.title +
                          ") is irreversible: " + revision.irreversible_reason)
                    .With("revision", std::string_view(revision.id));
    }
    found_.push_back({{.kind = "irreversible",
                       .revision = revision.id,
                       .what = revision.irreversible_reason,
                       .count = 1},
                      refusal});
  }
  RETURN_IF_ERROR(LookAtInstances(revision));
  return LookAtGuard(revision);
}

absl::Status Finder::LookAtInstances(const Revision& revision) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection_.Query(
          "SELECT service || ' ' || instance_id || ' (' || address || ')' AS who"
          "  FROM migration.instances"
          " WHERE required_revision = $1 AND expires_at > clock_timestamp() ORDER BY 1",
          revision.id));
  std::string who;
  for (const pg::Row row : rows) who += (who.empty() ? "" : ", ") + row.Text("who");
  if (who.empty()) return absl::OkStatus();
  found_.push_back(
      {{.kind = "instance", .revision = revision.id, .what = who, .count = rows.size()},
       Error(absl::StatusCode::kFailedPrecondition, "REQUIRED_BY_INSTANCE",
             "revision " + revision.id + " is required by running instances: " + who)
           .With("revision", std::string_view(revision.id))});
  return absl::OkStatus();
}

absl::Status Finder::LookAtGuard(const Revision& revision) {
  const auto applied = state_.revisions.find(revision.id);
  if (applied == state_.revisions.end() || !applied->second.is_complete) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Script guard, LoadArchivedScript(connection_, revision.id, 0, "guard"));
  if (guard.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(connection_.Script("BEGIN READ ONLY").status());
  auto asked = AskGuard(connection_, guard);
  RETURN_IF_ERROR(connection_.Script("ROLLBACK").status());
  // A guard that cannot run now may speak of what a later revision changed; it is asked again in
  // its turn.
  if (!asked.ok() || asked->empty()) return absl::OkStatus();
  absl::Status refusal;
  if (!run_.archive || !revision.irreversible_reason.empty()) {
    refusal = GuardRefused(revision, *asked);
  } else if (!revision.archive_forbidden_reason.empty()) {
    refusal = Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_FORBIDDEN",
                    "revision " + revision.id + " forbids keeping what its undo destroys: " +
                        revision.archive_forbidden_reason);
  }
  // Undoing what comes before may take away what the guard counts (rows that the later revision
  // itself inserted).
  if (MayChangeBefore(guard)) refusal = absl::OkStatus();
  for (const GuardFinding& finding : *asked) {
    found_.push_back(
        {{.kind = revision.archive_forbidden_reason.empty() ? "guard" : "archive_forbidden",
          .revision = revision.id,
          .what = finding.what,
          .count = finding.count},
         refusal});
  }
  return absl::OkStatus();
}

bool Finder::MayChangeBefore(const Script& guard) const {
  return has_hidden_changes_ || guard.is_opaque ||
         std::any_of(guard.facts.read.begin(), guard.facts.read.end(),
                     [&](const std::string& table) { return changed_.contains(table); });
}

void Finder::Undone(const Revision& revision) {
  for (const Step& step : revision.steps) {
    const ScriptFacts& facts = step.down.facts;
    changed_.insert(facts.written.begin(), facts.written.end());
    changed_.insert(facts.rows_destroyed_in.begin(), facts.rows_destroyed_in.end());
    has_hidden_changes_ = has_hidden_changes_ || facts.has_hidden_code || step.down.is_opaque;
  }
}

}  // namespace

absl::StatusOr<std::vector<DowngradeBlocker>> FindDowngradeBlockers(pg::Connection& connection,
                                                                    const Graph& graph,
                                                                    const AppliedState& state,
                                                                    const Plan& plan,
                                                                    const RunOptions& run) {
  Finder finder(connection, state, run);
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    RETURN_IF_ERROR(finder.Look(revision));
    finder.Undone(revision);
  }
  return finder.Take();
}

}  // namespace lockstep::migration
