// The look before the leap: who holds what a step is about to lock, and whether it is worth asking.
//
// A request for a strong lock that has to wait makes everybody wait who comes after it. So a step
// is only sent when nobody holds its tables for longer than its lock timeout would last; until then
// the runner polls, queued behind nobody, and tells who is in the way. For steps that only change
// the catalog the first tries are short as well.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/migration/engine/run/lock_holders.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {

// The lock timeout of one try of a step that only changes the catalog: 200, 300, 500 ms, then the
// step's own, which it never exceeds. `tries` counts from 0. Pure.
int LadderTimeoutMs(int tries, int step_timeout_ms);

// How long others may queue behind a waiting try before it makes room for them: 50 ms, and from the
// fifth try on twice as long each time, up to the lock timeout. A table on which transactions of
// 100 ms follow each other without a gap would otherwise never be had. Pure.
absl::Duration GraceFor(int tries, int lock_timeout_ms);

// Whether this holder is still there when the lock timeout is over, as far as one can tell: it is
// of a kind that does not hurry, or its transaction is older than the timeout. A worker of
// autovacuum is not: it makes way for who waits. `seen_for`: how long ago this runner saw it first,
// which counts where the server hides the transaction's age. Pure.
bool Outlasts(const LockHolder& holder, absl::Duration timeout, absl::Duration seen_for);

// FAILED_PRECONDITION (STEP_BLOCKED) with who is in the way and what to do about it; metadata
// blocker_pid and blocker_kind of the first, and how many there are. `cause`: what happened, in
// brackets.
absl::Status StepBlocked(const StepTask& task, std::string_view cause,
                         const std::vector<LockHolder>& holders);

// Of one step, or of one statement of a step outside of transactions, through all its tries. Used
// by the runner's thread, outside of transactions.
class Preflight {
 public:
  // `more`: locks besides those of the script's statements. `session` and `task` must outlive it.
  Preflight(RunSession& session, const StepTask& task, std::vector<RelationLock> more = {});
  // Of these scripts, whose statements lock what they say, instead of the step's.
  Preflight(RunSession& session, const StepTask& task, const std::vector<const Script*>& scripts);
  // Of a statement of the engine's own that takes these locks and only changes the catalog. They
  // are looked at also where this run made the relations: others may use them meanwhile.
  static Preflight ForLocks(RunSession& session, const StepTask& task,
                            std::vector<RelationLock> locks);

  // Waits for a gap, at most until `give_up`, and settles the limits of the next try. Tells who is
  // in the way (step_blocked) whenever they change, and breaks off those that the run's policy
  // names (blocker_cancelled). STEP_BLOCKED, what MayGoOn says, or what the database says.
  absl::Status Await(int tries, absl::Time give_up);

  // Of the try that Await() let through.
  const Limits& limits() const { return limits_; }
  // How long others may queue behind the waiting step before it makes room for them; infinite for
  // a step that blocks no writers.
  absl::Duration grace() const { return grace_; }

 private:
  struct NothingRead {};
  Preflight(RunSession& session, const StepTask& task, NothingRead);

  // Those that a try would not outlast.
  absl::StatusOr<std::vector<LockHolder>> Look();
  absl::Status Tell(const std::vector<LockHolder>& blockers);
  absl::Status BreakOff(const std::vector<LockHolder>& blockers);

  RunSession& session_;
  const StepTask& task_;
  std::vector<RelationLock> strong_;  // only those that block writers
  bool is_instant_ = false;
  Limits limits_;
  absl::Duration grace_ = absl::InfiniteDuration();
  bool meets_vacuum_ = false;
  std::map<std::string, absl::Time> seen_;  // by LockHolder::key()
  std::set<std::string> told_;              // keys that the last step_blocked event named
  std::set<std::string> broken_off_;        // keys that the policy was applied to
};

}  // namespace lockstep::migration
