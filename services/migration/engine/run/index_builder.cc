#include "services/migration/engine/run/index_builder.h"

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/statement_text.h"

namespace lockstep::migration {

using killpoint::Killpoint;

absl::Status IndexInTheWay(const StepTask& task, const IndexBuild& build, const IndexState& there) {
  return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
               task.text() + ": an index " + build.schema + "." + build.name +
                   " of another definition is in the way: " + there.definition);
}

absl::StatusOr<std::optional<IndexState>> IndexBuilder::AwaitBuilder(const IndexBuild& build) {
  const absl::Time give_up = absl::Now() + absl::Seconds(task_.step.limits.retry_for_seconds);
  for (int tries = 0;; ++tries) {
    RETURN_IF_ERROR(MayGoOn(session_));
    ASSIGN_OR_RETURN(std::optional<IndexState> there, LookAtIndex(session_.connection, build));
    if (!there.has_value() || there->is_valid || there->builder_pid == 0) return there;
    if (absl::Now() > give_up) {
      return Error(absl::StatusCode::kFailedPrecondition, "STEP_BLOCKED",
                   absl::StrFormat("%s: index %s.%s is being built by pid %d", task_.text(),
                                   build.schema, build.name, there->builder_pid))
          .With("blocker_pid", there->builder_pid);
    }
    RETURN_IF_ERROR(Sleep(session_.context, Backoff(tries)));
  }
}

absl::Status IndexBuilder::DropOnce(const std::string& quoted_name) {
  Killpoint("concurrent_before_drop_leftover");
  return alone_.SendOnce("DROP INDEX CONCURRENTLY IF EXISTS " + quoted_name, alone_.Unlimited());
}

absl::Status IndexBuilder::DropLeftoverOnce(const IndexBuild& build) {
  session_.journal.Emit(task_.Event("index_resumed", "index " + build.schema + "." + build.name +
                                                         " was left by an attempt that did not "
                                                         "come to its end; it is dropped"));
  return DropOnce(QuotedName(build.schema + "." + build.name));
}

absl::Status IndexBuilder::DropLeftover(const IndexBuild& build) {
  return alone_.Patiently([&] { return DropLeftoverOnce(build); });
}

absl::Status IndexBuilder::Drop(const std::string& quoted_name) {
  return alone_.Patiently([&] { return DropOnce(quoted_name); });
}

absl::StatusOr<bool> IndexBuilder::IsAsWanted(const IndexState& state,
                                              const IndexBuild& build) const {
  // What a history names without a schema, the catalog names with one: only the name is compared.
  if (task_.revision.phase == Phase::kLegacy) return true;
  return IsDefinedAs(state, build);
}

absl::Status IndexBuilder::BuildOnce(const IndexBuild& build, const std::string& statement,
                                     bool& is_ours) {
  ASSIGN_OR_RETURN(const std::optional<IndexState> before,
                   is_ours ? AwaitBuilder(build) : LookAtIndex(session_.connection, build));
  if (before.has_value() && is_ours) {
    ASSIGN_OR_RETURN(const bool is_same, IsAsWanted(*before, build));
    if (!is_same) return IndexInTheWay(task_, build, *before);
    if (before->is_valid) return absl::OkStatus();
    RETURN_IF_ERROR(DropLeftoverOnce(build));
  }
  const absl::Status sent = alone_.SendOnce(statement, alone_.Unlimited());
  if (sent.ok() || session_.connection.is_lost()) return sent;
  // Cancelled or overtaken: whoever comes next finds the intent and what stands there.
  RETURN_IF_ERROR(MayGoOn(session_));
  // A failed build leaves an invalid index that costs every write; do not leave it for the next
  // run. Without an intent of ours from before, what stands there may be somebody else's.
  ASSIGN_OR_RETURN(const std::optional<IndexState> after, LookAtIndex(session_.connection, build));
  const bool is_new = after.has_value() && !after->is_valid && (is_ours || !before.has_value());
  if (!before.has_value()) is_ours = true;
  if (is_new) RETURN_IF_ERROR(DropLeftoverOnce(build));
  return sent;
}

absl::Status IndexBuilder::Build(const IndexBuild& build, const std::string& statement,
                                 bool is_ours) {
  RETURN_IF_ERROR(alone_.Patiently([&] { return BuildOnce(build, statement, is_ours); }));
  ASSIGN_OR_RETURN(const std::optional<IndexState> built, LookAtIndex(session_.connection, build));
  const bool is_done = built.has_value() && built->is_valid;
  ASSIGN_OR_RETURN(const bool is_same,
                   is_done ? IsAsWanted(*built, build) : absl::StatusOr<bool>(false));
  if (is_done && is_same) return absl::OkStatus();
  // IF NOT EXISTS reports success although an invalid or different index stands there.
  return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
               task_.text() + ": index " + build.schema + "." + build.name +
                   " is not there as the script defines it");
}

}  // namespace lockstep::migration
