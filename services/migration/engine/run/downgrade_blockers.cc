#include "services/migration/engine/run/downgrade_blockers.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/rehearsal.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/undo.h"
#include "services/migration/engine/run/undone_changes.h"

namespace lockstep::migration {
namespace {

class Finder {
 public:
  Finder(pg::Connection& connection, const AppliedState& state, const RunOptions& run)
      : connection_(connection), state_(state), run_(run) {}

  // Looks at what stands against the undo of one item. Call in the order of the plan.
  absl::Status Look(const Plan& plan, std::size_t item, const Graph& graph);
  const std::vector<DowngradeBlocker>& found() const { return found_; }
  std::vector<DowngradeBlocker> Take() { return std::move(found_); }
  // The last item whose guard refuses now and may be silent in its turn, or cannot be asked now.
  std::optional<std::size_t> last_unsure() const { return last_unsure_; }

 private:
  absl::Status LookAtLegacy(const Revision& revision);
  absl::Status LookAtInstances(const Revision& revision);
  absl::Status LookAtGuard(const Revision& revision, std::size_t item);
  // Whether what an archive is to keep can be kept.
  absl::Status LookAtArchive(const Plan& plan, std::size_t item, const Revision& revision);

  pg::Connection& connection_;
  const AppliedState& state_;
  const RunOptions& run_;
  UndoneChanges undone_;  // by the items before
  std::optional<std::size_t> last_unsure_;
  std::optional<bool> guard_is_silent_;  // of the revision at hand; nullopt = not known
  std::vector<DowngradeBlocker> found_;
};

absl::Status Finder::Look(const Plan& plan, std::size_t item, const Graph& graph) {
  const Revision& revision = graph.at(plan.items[item].position);
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
  RETURN_IF_ERROR(LookAtLegacy(revision));
  RETURN_IF_ERROR(LookAtInstances(revision));
  guard_is_silent_.reset();
  RETURN_IF_ERROR(LookAtGuard(revision, item));
  RETURN_IF_ERROR(LookAtArchive(plan, item, revision));
  undone_.Add(revision);
  return absl::OkStatus();
}

// One script of another tool undoes all steps of its revision at once. While some of them are
// missing it would fail, or leave behind what the others made.
absl::Status Finder::LookAtLegacy(const Revision& revision) {
  const auto applied = state_.revisions.find(revision.id);
  if (revision.phase != Phase::kLegacy || applied == state_.revisions.end()) {
    return absl::OkStatus();
  }
  const auto refuse = [&](const char* kind, const char* reason, const std::string& what) {
    found_.push_back({{.kind = kind, .revision = revision.id, .what = what, .count = 1},
                      Error(absl::StatusCode::kFailedPrecondition, reason,
                            "revision " + revision.id + " (" + revision.title + "): " + what)
                          .With("revision", std::string_view(revision.id))});
  };
  if (!applied->second.is_complete) {
    ASSIGN_OR_RETURN(pg::Result last,
                     connection_.Query("SELECT direction FROM migration.step_log"
                                       " WHERE revision = $1 ORDER BY log_id DESC LIMIT 1",
                                       revision.id));
    // An undo that was broken off goes on.
    if (!last.empty() && last[0].Text("direction") == "down") return absl::OkStatus();
    refuse("legacy_half_applied", "LEGACY_HALF_APPLIED",
           "only some steps of it are applied, and its undo is for all of them; `lockstep upgrade` "
           "finishes it, then it can be undone");
  }
  if (run_.archive && applied->second.is_complete && revision.irreversible_reason.empty()) {
    refuse("archive_impossible", "ARCHIVE_IMPOSSIBLE",
           "its undo names tables without their schemas, so nobody can tell what to keep; go back "
           "without --archive, after a backup");
  }
  return absl::OkStatus();
}

absl::Status Finder::LookAtInstances(const Revision& revision) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection_.Query("SELECT service || ' ' || CASE WHEN instance_id = '' THEN build ||"
                        "   ' (kept as a rollback candidate)' ELSE instance_id || ' (' || address "
                        "|| ')' END AS who"
                        "  FROM migration.requirements WHERE revision = $1 ORDER BY 1",
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

absl::Status Finder::LookAtGuard(const Revision& revision, std::size_t item) {
  const auto applied = state_.revisions.find(revision.id);
  if (applied == state_.revisions.end() || !applied->second.is_complete) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Script guard, LoadArchivedScript(connection_, revision.id, 0, "guard"));
  if (guard.empty()) {
    guard_is_silent_ = false;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(connection_.Script("BEGIN READ ONLY").status());
  auto asked = AskGuard(connection_, guard);
  if (connection_.is_lost()) return asked.status();
  RETURN_IF_ERROR(connection_.Script("ROLLBACK").status());
  if (!asked.ok()) {
    // It may speak of what a later revision changed.
    const std::vector<GuardFinding> anything = {{.what = "", .count = 1}};
    if (!RefusalOf(revision, anything, run_.archive).ok()) last_unsure_ = item;
    return absl::OkStatus();
  }
  const absl::Status refusal = RefusalOf(revision, *asked, run_.archive);
  const bool may_vanish = !asked->empty() && undone_.MayChangeWhatIsRead(guard);
  if (may_vanish && !refusal.ok()) last_unsure_ = item;
  // One that finds nothing may find something after the undos before it.
  if (!undone_.MayChangeWhatIsRead(guard)) guard_is_silent_ = asked->empty();
  for (const GuardFinding& finding : *asked) {
    found_.push_back(
        {.blocker = {.kind =
                         revision.archive_forbidden_reason.empty() ? "guard" : "archive_forbidden",
                     .revision = revision.id,
                     .what = finding.what,
                     .count = finding.count},
         .refusal = refusal,
         .may_vanish = may_vanish});
  }
  return absl::OkStatus();
}

absl::Status Finder::LookAtArchive(const Plan& plan, std::size_t item, const Revision& revision) {
  const auto applied = state_.revisions.find(revision.id);
  if (!run_.archive || !revision.irreversible_reason.empty() ||
      !revision.archive_forbidden_reason.empty() || applied == state_.revisions.end() ||
      !applied->second.is_complete) {
    return absl::OkStatus();
  }
  UndoneChanges before = undone_;
  for (const std::size_t index : plan.items[item].steps) {
    const Step& step = revision.steps[index];
    ASSIGN_OR_RETURN(const Script down,
                     LoadArchivedScript(connection_, revision.id, step.ordinal, "down"));
    const StepTask task{
        .revision = revision, .step = step, .direction = Direction::kDown, .script = down};
    const KeepQuestion question{
        .guard_is_silent = guard_is_silent_,
        .may_change = [&](const std::string& table) { return before.MayChange(table); }};
    const absl::Status refusal = MayBeKept(task, question, connection_).status();
    if (!refusal.ok()) {
      if (ReasonOf(refusal) != "ARCHIVE_IMPOSSIBLE") return refusal;
      found_.push_back({{.kind = "archive_impossible",
                         .revision = revision.id,
                         .what = MessageOf(refusal),
                         .count = 1},
                        refusal});
    }
    before.Add(revision, down);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<DowngradeBlocker>> FindDowngradeBlockers(pg::Connection& connection,
                                                                    const Graph& graph,
                                                                    const AppliedState& state,
                                                                    const Plan& plan,
                                                                    const RunOptions& run) {
  Finder finder(connection, state, run);
  for (std::size_t i = 0; i < plan.items.size(); ++i) {
    RETURN_IF_ERROR(finder.Look(plan, i, graph));
  }
  return finder.Take();
}

absl::Status MayDowngrade(RunSession& session, const AppliedState& state, const Plan& plan,
                          const RunOptions& run) {
  Finder finder(session.connection, state, run);
  for (std::size_t i = 0; i < plan.items.size(); ++i) {
    RETURN_IF_ERROR(finder.Look(plan, i, session.graph));
  }
  for (const DowngradeBlocker& found : finder.found()) {
    if (!found.may_vanish) RETURN_IF_ERROR(found.refusal);
  }
  killpoint::Killpoint("downgrade_checked");
  if (!finder.last_unsure().has_value()) return absl::OkStatus();
  const absl::Status rehearsed = RehearseGuards(session, plan, state, run, *finder.last_unsure());
  if (ReasonOf(rehearsed) != "REHEARSAL_IMPOSSIBLE") return rehearsed;
  session.journal.Emit(
      {.kind = "warning",
       .message = "what guards will find in their turn is not known: " + MessageOf(rehearsed)});
  for (const DowngradeBlocker& found : finder.found()) RETURN_IF_ERROR(found.refusal);
  return absl::OkStatus();
}

}  // namespace lockstep::migration
