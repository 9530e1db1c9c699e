// Patience with locks: transactional steps, what comes before an undo outside of a transaction,
// rehearsals, the administrator's connection.
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
// Who blocks is watched and reported when `connection` is the session's own. STEP_BLOCKED when time
// is up; what MayGoOn says when the run may not go on.
absl::Status RetryOnLocks(RunSession& session, const StepTask& task, pg::Connection& connection,
                          absl::FunctionRef<absl::Status()> attempt);

}  // namespace lockstep::migration
