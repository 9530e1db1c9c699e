#include "common/pg/lost_commit.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::pg {
namespace {

// Of one attempt to ask, connecting included.
constexpr absl::Duration kAttemptTimeout = absl::Seconds(1);
constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Milliseconds(500);

absl::StatusOr<CommitOutcome> Ask(ConnectionOptions options, const LostCommit& commit,
                                  absl::Time deadline) {
  options.prepare_statements = false;
  options.connect_timeout = std::min(options.connect_timeout, deadline - absl::Now());
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(options));
  connection->SetIoDeadline(deadline);
  // First, since it fails on a replica, which may not have heard of the transaction yet.
  ASSIGN_OR_RETURN(Result now,
                   connection->Query(std::string("SELECT ") + kServerLifeSql + " AS server_life"));
  const auto life = now[0].OptionalText("server_life");
  auto result = connection->Query("SELECT pg_xact_status($1::xid8) AS outcome", commit.xid);
  if (!result.ok()) {
    // "transaction ID ... is in the future": the server's memory of it did not survive a crash.
    if (SqlStateOf(result.status()) == "22023") return CommitOutcome::kNotCommitted;
    return result.status();
  }
  const auto status = (*result)[0].OptionalText("outcome");
  return JudgeCommit(status, !commit.server_life.empty() && life == commit.server_life);
}

}  // namespace

CommitOutcome JudgeCommit(std::optional<std::string_view> status, bool is_same_life) {
  if (!status.has_value()) return CommitOutcome::kUnknown;
  if (*status == "committed") {
    return is_same_life ? CommitOutcome::kCommitted : CommitOutcome::kUnknown;
  }
  // Had ours been written before the crash, its id would not have been assigned again and would be
  // called committed: whoever has the id now, ours did not happen. One that runs may be ours all
  // the same, when only the statistics were reset.
  return *status == "aborted" ? CommitOutcome::kNotCommitted : CommitOutcome::kRunning;
}

absl::Status ResolveCommit(const Context& context, const ConnectionOptions& options,
                           const LostCommit& commit, absl::Duration grace) {
  absl::Time give_up = std::max(context.deadline(), absl::Now()) + grace;
  bool is_hurried = false;
  absl::Duration pause = kFirstPause;
  // A pool that may not use the database any more cannot ask either.
  while (absl::Now() < give_up && (options.give_up == nullptr || !*options.give_up)) {
    if (!is_hurried && context.is_cancelled()) {
      is_hurried = true;
      give_up = std::min(give_up, absl::Now() + grace);
    }
    const auto outcome = Ask(options, commit, std::min(give_up, absl::Now() + kAttemptTimeout));
    const CommitOutcome known = outcome.value_or(CommitOutcome::kRunning);
    if (known == CommitOutcome::kCommitted) return absl::OkStatus();
    if (known == CommitOutcome::kNotCommitted) {
      return Error(absl::StatusCode::kUnavailable, "DATABASE_UNREACHABLE",
                   "the connection broke before the change was committed; try again")
          .RetryAfter(std::chrono::seconds(1));
    }
    if (known == CommitOutcome::kUnknown) break;
    absl::SleepFor(std::min(pause, give_up - absl::Now()));
    pause = std::min(pause * 2, kLongestPause);
  }
  return Error(absl::StatusCode::kUnknown, "COMMIT_OUTCOME_UNKNOWN",
               "the connection broke while the change was committed; ask again with the same "
               "request_id to learn whether it was")
      .With("transaction", std::string_view(commit.xid));
}

}  // namespace lockstep::pg
