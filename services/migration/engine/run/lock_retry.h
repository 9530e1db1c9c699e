// Patience with locks, for transactions of the engine that are no transactional step: undos outside
// of transactions, rehearsals, the administrator's connection.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// 55P03, 40P01 or 40001: the same transaction may succeed a little later.
bool IsAboutLocks(const absl::Status& status);

// Runs `attempt` on `connection` until it ends with something else than a lock timeout or deadlock,
// rolling back what it leaves open and pausing in between, for the step's limits.retry_for_seconds.
// Who blocks is watched and reported as for a transactional step when `connection` is the session's
// own. STEP_BLOCKED when time is up.
absl::Status RetryOnLocks(RunSession& session, const StepTask& task, pg::Connection& connection,
                          absl::FunctionRef<absl::Status()> attempt);

}  // namespace lockstep::migration
