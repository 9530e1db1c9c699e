#include "services/migration/engine/run/backfill/worker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/backfill.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

// A batch that waits for a lock holds those that it has: it gives up early.
constexpr int kMostLockWaitMs = 500;
constexpr int kFewestStatementMs = 1'000;
constexpr absl::Duration kDiskFullPause = absl::Seconds(5);

// The batch of a connection that was lost did commit after all.
constexpr char kMovedOn[] = "BACKFILL_MOVED_ON";
constexpr char kDiskFull[] = "53100";
constexpr char kStatementCancelled[] = "57014";

// Batches have limits of their own: a batch that takes many times its target is too big.
Limits BatchLimits(const Step& step) {
  Limits limits = step.limits;
  limits.lock_timeout_ms = std::min(limits.lock_timeout_ms, kMostLockWaitMs);
  limits.statement_timeout_ms = std::min(
      limits.statement_timeout_ms, std::max(kFewestStatementMs, 10 * step.backfill.target_ms));
  return limits;
}

}  // namespace

std::optional<Chunk> ChunkQueue::Take() {
  const std::lock_guard lock(mutex_);
  if (chunks_.empty()) return std::nullopt;
  Chunk chunk = std::move(chunks_.front());
  chunks_.pop_front();
  return chunk;
}

void Worker::Cancel() {
  const std::lock_guard lock(mutex_);
  if (connection_ != nullptr) connection_->Cancel();
}

absl::Status Worker::Connect() {
  pid_ = 0;
  ASSIGN_OR_RETURN(auto opened, OpenRunnerSession(session_.options, session_.key, "backfill"));
  const std::lock_guard lock(mutex_);
  connection_ = std::move(opened);
  pid_ = connection_->backend_pid();
  return absl::OkStatus();
}

absl::Status Worker::Run() {
  RETURN_IF_ERROR(Connect());
  while (auto chunk = queue_.Take()) RETURN_IF_ERROR(WalkChunk(*std::move(chunk)));
  return absl::OkStatus();
}

absl::Status Worker::WalkChunk(Chunk chunk) {
  while (chunk.next.has_value()) {
    const absl::Time asked = absl::Now();
    ASSIGN_OR_RETURN(const int rows, pacer_.AwaitTurn());
    // Time in which no batch may begin is none in which batches fail.
    if (failing_since_.has_value()) *failing_since_ += absl::Now() - asked;
    const absl::Status status = RunBatch(chunk, rows);
    if (status.ok()) {
      failing_since_.reset();
      failures_ = 0;
      continue;
    }
    RETURN_IF_ERROR(Judge(status, chunk));
  }
  return absl::OkStatus();
}

absl::Status Worker::RunBatch(Chunk& chunk, int rows) {
  const absl::Time start = absl::Now();
  Killpoint("backfill_before_batch");
  ASSIGN_OR_RETURN(const NextBatch batch, Begin(chunk, rows));
  std::int64_t changed = 0;
  if (batch.rows > 0) {
    ASSIGN_OR_RETURN(changed, Change(batch));
    Killpoint("backfill_batch_changed");
  }
  RETURN_IF_ERROR(MoveOn(chunk, batch, changed));
  pacer_.Finished(batch.rows, absl::Now() - start);
  Killpoint("backfill_batch_committed");
  return absl::OkStatus();
}

absl::StatusOr<NextBatch> Worker::Begin(const Chunk& chunk, int rows) {
  RETURN_IF_ERROR(MayGoOn(session_));
  const KeyRange left{*chunk.next, chunk.range.hi};
  const auto begun = connection_->Script(
      absl::StrCat(BeginSql(session_.sql, BatchLimits(task_.step)),
                   "SET LOCAL lockstep.backfill = 'on';\n", NextBatchSql(table_, left, rows)));
  if (!begun.ok()) return TranslateLedgerError(begun.status());
  return ReadNextBatch(table_, left, rows, begun->back());
}

absl::StatusOr<std::int64_t> Worker::Change(const NextBatch& batch) {
  const std::string role = OwnerRole(task_.revision.service);
  const std::string statement =
      BindRange(task_.script.statements[0], KeyLiteral(table_, batch.range.lo),
                KeyLiteral(table_, batch.range.hi));
  RETURN_IF_ERROR(MayGoOn(session_));
  ASSIGN_OR_RETURN(const auto results,
                   connection_->Script(absl::StrCat(EnterRoleSql(role), statement, "\n;\nSELECT ",
                                                    std::string(StateSql()),
                                                    " AS state;\nSET LOCAL ROLE NONE")));
  const std::string state = results[2][0].Text("state");
  const std::string wanted = StateText(role, BatchLimits(task_.step));
  if (state != wanted) {
    return Error(absl::StatusCode::kFailedPrecondition, "STEP_TAMPERED",
                 task_.text() + " was rolled back: a batch changed its role or limits")
        .With("expected", std::string_view(wanted))
        .With("found", std::string_view(state));
  }
  return results[1].affected();
}

absl::Status Worker::MoveOn(Chunk& chunk, const NextBatch& batch, std::int64_t changed) {
  ASSIGN_OR_RETURN(const auto moved, connection_->Script(MoveOnSql(task_, chunk, batch, changed)));
  if (moved.back().affected() != 1) {
    return Error(absl::StatusCode::kAborted, kMovedOn,
                 task_.text() + ": the range was moved on by a batch of a lost connection");
  }
  RETURN_IF_ERROR(MayGoOn(session_));
  connection_->SetAfterSendHook([] { Killpoint("backfill_commit_sent"); });
  const absl::Status committed = connection_->Commit();
  connection_->SetAfterSendHook({});
  RETURN_IF_ERROR(committed);
  chunk.next = batch.next;
  return absl::OkStatus();
}

absl::Status Worker::Judge(const absl::Status& failure, Chunk& chunk) {
  RETURN_IF_ERROR(MayGoOn(session_));
  const std::string state = pg::SqlStateOf(failure);
  bool is_lost = connection_->is_lost();
  const bool is_moved_on = ReasonOf(failure) == kMovedOn;
  const bool is_about_time = IsAboutLocks(failure) || state == kStatementCancelled;
  if (!is_lost && !is_moved_on && !is_about_time && state != kDiskFull) {
    if (state.empty()) return failure;
    return ScriptError("STEP_FAILED", task_.text() + " failed at " + task_.script.file, failure);
  }
  if (!is_lost && connection_->is_in_transaction()) {
    const absl::Status rolled_back = connection_->Script("ROLLBACK").status();
    if (!rolled_back.ok() && !connection_->is_lost()) return rolled_back;
  }
  is_lost = connection_->is_lost();
  const absl::Time now = absl::Now();
  if (!failing_since_.has_value()) failing_since_ = now;
  if (state == kDiskFull) {
    // Nobody but a person can help, and the backfill goes on by itself when one has.
    failing_since_.reset();
    pacer_.HoldFor("disk_full: " + DescribeDatabaseError(failure), kDiskFullPause);
    return absl::OkStatus();
  }
  if (now - *failing_since_ > absl::Seconds(task_.step.limits.retry_for_seconds)) {
    return Error(absl::StatusCode::kFailedPrecondition, "STEP_BLOCKED",
                 absl::StrCat(task_.text(), ": no batch went through for ",
                              task_.step.limits.retry_for_seconds, " s (",
                              DescribeDatabaseError(failure), ")"));
  }
  if (is_about_time) pacer_.TimedOut();
  RETURN_IF_ERROR(Sleep(session_.context, Backoff(failures_++)));
  return is_lost || is_moved_on ? ReloadChunk(chunk) : absl::OkStatus();
}

// Whether the batch in flight was committed is for the ledger to say.
absl::Status Worker::ReloadChunk(Chunk& chunk) {
  if (connection_->is_lost()) {
    const absl::Status connected = Connect();
    if (!connected.ok()) return ReasonOf(connected) == "LEASE_LOST" ? connected : absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto open,
                   LoadOpenChunks(*connection_, task_.revision.id, task_.step.ordinal));
  chunk.next.reset();
  for (const Chunk& found : open) {
    if (found.number == chunk.number) chunk.next = found.next;
  }
  return absl::OkStatus();
}

}  // namespace lockstep::migration
