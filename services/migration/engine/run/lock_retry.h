// Patience with locks: steps in transactions and outside of them, what comes before an undo,
// rehearsals, the administrator's connection.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/preflight.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// 55P03, 40P01 or 40001: the same transaction may succeed a little later.
bool IsAboutLocks(const absl::Status& status);

// How long to pause after so many tries (from 0): 100 ms, doubling up to 5 s, each between half and
// the whole of that, so that competitors spread.
absl::Duration Backoff(int tries);

// Runs `attempt` on `connection` until it ends with something else than a lock timeout or deadlock,
// rolling back what it leaves open and pausing in between, for the step's limits.retry_for_seconds.
// Who blocks is watched and reported. With a `preflight`, which may be null, every attempt waits
// for a gap first, and one behind which others queue is broken off and tried again: `attempt` must
// be a transaction that nobody minds to see rolled back. STEP_BLOCKED when time is up; what
// MayGoOn says when the run may not go on.
absl::Status RetryOnLocks(RunSession& session, const StepTask& task, pg::Connection& connection,
                          absl::FunctionRef<absl::Status()> attempt,
                          Preflight* preflight = nullptr);

}  // namespace lockstep::migration
