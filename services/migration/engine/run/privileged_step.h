// Runs one privileged step: SQL that only a database administrator may run.
//
// With an administrator's connection it runs there, in one transaction with its ledger row. Without
// one, the SQL is printed (event privileged_sql) and the run waits until the catalog shows it done:
// an extension is there or gone, or the step's expectations hold.
#pragma once

#include "absl/status/status.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Reasons: PRIVILEGED_STEP_PENDING (not done within options.privileged_wait),
// PRIVILEGED_STEP_NEEDS_ADMINISTRATOR (the catalog cannot show it), STEP_FAILED,
// EXPECTATION_FAILED.
absl::Status RunPrivilegedStep(RunSession& session, const StepTask& task);

}  // namespace lockstep::migration
