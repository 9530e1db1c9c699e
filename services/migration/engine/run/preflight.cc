#include "services/migration/engine/run/preflight.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);
// Looked at every 50 ms, so that nobody queues behind a first try for much more than 100 ms.
constexpr absl::Duration kGrace = absl::Milliseconds(50);
constexpr int kTriesOfShortGrace = 4;
// Where somebody is always older than the first lock timeouts, they grow after so much waiting.
constexpr absl::Duration kClimb = absl::Seconds(2);
// A worker of autovacuum makes way once somebody has waited for deadlock_timeout, a second unless
// the server is set otherwise. Whoever gives up before that never gets past it.
constexpr absl::Duration kVacuumMakesWay = absl::Milliseconds(1'500);
constexpr std::array kLadderMs = {200, 300, 500};

// What can be looked for: locks of which the script says the relation, on what was there before
// this run.
std::vector<RelationLock> StrongLocks(const RunSession& session,
                                      const std::vector<StatementLocks>& statements,
                                      std::vector<RelationLock> more) {
  std::vector<RelationLock> locks = std::move(more);
  for (const StatementLocks& statement : statements) {
    locks.insert(locks.end(), statement.locks.begin(), statement.locks.end());
  }
  std::erase_if(locks, [&](const RelationLock& lock) {
    return !IsStrong(lock.mode) || !WasThere(session, lock.qualified());
  });
  return locks;
}

// Whether the script names anything that others can have locked.
bool TouchesWhatWasThere(const RunSession& session, const Script& script) {
  const auto was_there = [&](const std::string& name) { return WasThere(session, name); };
  return script.is_opaque ||
         std::any_of(script.facts.written.begin(), script.facts.written.end(), was_there) ||
         std::any_of(script.facts.read.begin(), script.facts.read.end(), was_there);
}

// The signal that ends this holder's transaction: an idle session has no statement to cancel.
std::string_view SignalFor(HolderKind kind) {
  return kind == HolderKind::kIdleInTransaction ? "pg_terminate_backend" : "pg_cancel_backend";
}

}  // namespace

int LadderTimeoutMs(int tries, int step_timeout_ms) {
  const auto step = static_cast<std::size_t>(std::max(tries, 0));
  return step < kLadderMs.size() ? std::min(kLadderMs[step], step_timeout_ms) : step_timeout_ms;
}

absl::Duration GraceFor(int tries, int lock_timeout_ms) {
  const int doublings = std::clamp(tries - kTriesOfShortGrace + 1, 0, 10);
  return std::min(kGrace * (1 << doublings), absl::Milliseconds(lock_timeout_ms));
}

bool Outlasts(const LockHolder& holder, absl::Duration timeout, absl::Duration seen_for) {
  switch (holder.kind) {
    case HolderKind::kVacuum:
      return false;
    case HolderKind::kOrdinary:
      return std::max(holder.age.value_or(absl::ZeroDuration()), seen_for) >= timeout;
    default:
      return true;
  }
}

absl::Status StepBlocked(const StepTask& task, std::string_view cause,
                         const std::vector<LockHolder>& holders) {
  std::string who;
  for (const LockHolder& holder : holders) {
    who += "\n  " + holder.text() + "\n    " + holder.advice();
  }
  return Error(absl::StatusCode::kFailedPrecondition, "STEP_BLOCKED",
               task.text() + " did not get its locks within " +
                   std::to_string(task.step.limits.retry_for_seconds) + " s (" +
                   std::string(cause) + "); nothing of it was done, run again to go on" +
                   (who.empty() ? "" : "; blocked by:" + who))
      .With("blocker_pid", holders.empty() ? 0 : holders.front().pid)
      .With("blocker_kind", holders.empty() ? std::string_view() : ToText(holders.front().kind))
      .With("blockers", static_cast<int>(holders.size()));
}

Preflight::Preflight(RunSession& session, const StepTask& task, std::vector<RelationLock> more)
    : session_(session), task_(task), limits_(task.step.limits) {
  // What the run itself made nobody else has locked: thousands of small steps are spared.
  if (more.empty() && !TouchesWhatWasThere(session, task.script)) return;
  const std::vector<StatementLocks> statements = ClassifyStatements(task.script);
  is_instant_ = IsInstant(statements);
  strong_ = StrongLocks(session, statements, std::move(more));
}

Preflight::Preflight(RunSession& session, const StepTask& task, NothingRead)
    : session_(session), task_(task), limits_(task.step.limits) {}

Preflight::Preflight(RunSession& session, const StepTask& task,
                     const std::vector<const Script*>& scripts)
    : Preflight(session, task, NothingRead()) {
  is_instant_ = true;
  for (const Script* script : scripts) {
    const std::vector<StatementLocks> statements = ClassifyStatements(*script);
    is_instant_ = is_instant_ && IsInstant(statements);
    std::vector<RelationLock> strong = StrongLocks(session, statements, {});
    strong_.insert(strong_.end(), strong.begin(), strong.end());
  }
}

Preflight Preflight::ForLocks(RunSession& session, const StepTask& task,
                              std::vector<RelationLock> locks) {
  Preflight preflight(session, task, NothingRead());
  preflight.is_instant_ = true;
  preflight.strong_ = std::move(locks);
  return preflight;
}

absl::StatusOr<std::vector<LockHolder>> Preflight::Look() {
  ASSIGN_OR_RETURN(std::vector<LockHolder> holders, HoldersAgainst(session_.connection, strong_));
  const absl::Time now = absl::Now();
  std::map<std::string, absl::Time> seen;
  meets_vacuum_ = false;
  for (const LockHolder& holder : holders) {
    const auto known = seen_.find(holder.key());
    seen[holder.key()] = known == seen_.end() ? now : known->second;
    meets_vacuum_ = meets_vacuum_ || holder.kind == HolderKind::kVacuum;
  }
  seen_ = std::move(seen);
  const absl::Duration timeout = absl::Milliseconds(limits_.lock_timeout_ms);
  std::erase_if(holders, [&](const LockHolder& holder) {
    return !Outlasts(holder, timeout, now - seen_.at(holder.key()));
  });
  return holders;
}

absl::Status Preflight::Tell(const std::vector<LockHolder>& blockers) {
  std::set<std::string> keys;
  for (const LockHolder& blocker : blockers) keys.insert(blocker.key());
  if (keys == told_) return absl::OkStatus();
  told_ = std::move(keys);
  const LockHolder& first = blockers.front();
  Happening blocked = task_.Event(
      "step_blocked",
      "waits before it asks for a lock on " + first.relation + ", held by " + first.text() +
          (blockers.size() > 1 ? absl::StrFormat("; and %d more", blockers.size() - 1) : ""));
  blocked.details["holders"] = ToJson(blockers);
  blocked.details["is_queued"] = false;
  blocked.details["advice"] = first.advice();
  session_.journal.Emit(std::move(blocked));
  return FlushEvents(session_);
}

absl::Status Preflight::BreakOff(const std::vector<LockHolder>& blockers) {
  bool has_told = false;
  for (const LockHolder& blocker : blockers) {
    const auto seen = seen_.find(blocker.key());
    const absl::Duration seen_for =
        seen == seen_.end() ? absl::ZeroDuration() : absl::Now() - seen->second;
    // Also where the first tries are short: whoever is at work gets the time that the step allows.
    const bool is_due =
        Outlasts(blocker, absl::Milliseconds(task_.step.limits.lock_timeout_ms), seen_for);
    if (!session_.cancel_blockers.contains(blocker.kind) || blocker.pid == 0 || !is_due ||
        !broken_off_.insert(blocker.key()).second) {
      continue;
    }
    // The transaction that was seen, and no other one that the session began since.
    const auto sent = session_.connection.Query(
        absl::StrFormat("SELECT %s(a.pid) AS is_sent FROM pg_stat_activity AS a"
                        " WHERE a.pid = $1 AND coalesce(a.xact_start::text, '') = $2",
                        SignalFor(blocker.kind)),
        blocker.pid, blocker.began);
    Happening event = task_.Event("blocker_cancelled", "");
    event.details["holder"] = ToJson({blocker})[0];
    event.details["is_sent"] = sent.ok();
    if (sent.ok() && sent->empty()) continue;  // it ended meanwhile
    event.message =
        sent.ok()
            ? "broke off, as --cancel-blockers allows: " + blocker.text()
            : "may not break off " + blocker.text() + " (" + DescribeDatabaseError(sent.status()) +
                  "); goes on waiting. An administrator can run SELECT " +
                  std::string(SignalFor(blocker.kind)) + "(" + std::to_string(blocker.pid) +
                  "), or GRANT pg_signal_backend TO lockstep_migrator";
    session_.journal.Emit(std::move(event));
    has_told = true;
  }
  return has_told ? FlushEvents(session_) : absl::OkStatus();
}

absl::Status Preflight::Await(int tries, absl::Time give_up) {
  limits_ = task_.step.limits;
  const absl::Time began = absl::Now();
  while (true) {
    RETURN_IF_ERROR(MayGoOn(session_));
    if (is_instant_) {
      const auto waited = static_cast<int>((absl::Now() - began) / kClimb);
      limits_.lock_timeout_ms = LadderTimeoutMs(tries + waited, task_.step.limits.lock_timeout_ms);
    }
    ASSIGN_OR_RETURN(const std::vector<LockHolder> blockers, Look());
    if (blockers.empty()) break;
    RETURN_IF_ERROR(Tell(blockers));
    RETURN_IF_ERROR(BreakOff(blockers));
    if (absl::Now() >= give_up) {
      return StepBlocked(task_, "it was not even asked for them, because others hold them",
                         blockers);
    }
    RETURN_IF_ERROR(Sleep(session_.context, kPoll));
  }
  if (!told_.empty()) {
    told_.clear();
    session_.journal.Emit(task_.Event("step_unblocked", task_.text() + " goes on: nobody is in "
                                                                       "its way"));
    RETURN_IF_ERROR(FlushEvents(session_));
  }
  if (meets_vacuum_) limits_.lock_timeout_ms = task_.step.limits.lock_timeout_ms;
  // A step without strong locks waits for rows at most; it would lose its work for nothing.
  if (!strong_.empty()) {
    grace_ = meets_vacuum_ ? kVacuumMakesWay : GraceFor(tries, limits_.lock_timeout_ms);
  }
  return absl::OkStatus();
}

}  // namespace lockstep::migration
