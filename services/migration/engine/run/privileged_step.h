// Runs one privileged step: SQL that only a database administrator may run.
//
// With an administrator's connection it runs there, in one transaction with its ledger row. Without
// one, the SQL is printed (event privileged_sql) and the run waits until the catalog shows it done:
// the step's expectations hold, or without any, its extensions are there (in the schema that it
// names) or gone. Going down, the guard is asked first, in a transaction of its own: it is the
// administrator who decides when the SQL runs, so no lock lasts until then. Before an undo is
// printed the revision stops counting as applied and the intent is recorded (step_intents.h), so
// that the ledger does not call applied what the administrator has taken away. When the
// administrator's connection breaks at COMMIT, the ledger says what became of the step.
#pragma once

#include "absl/status/statusor.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/undo.h"

namespace lockstep::migration {

// Reasons: PRIVILEGED_STEP_PENDING (not done within options.privileged_wait),
// PRIVILEGED_STEP_NEEDS_ADMINISTRATOR (the catalog cannot show it), STEP_FAILED, STEP_BLOCKED,
// EXPECTATION_FAILED, CONNECTION_LOST (the administrator's, and nothing was done),
// COMMIT_OUTCOME_UNKNOWN; those of PrepareUndo. `undo` is used going down only.
absl::StatusOr<StepOutcome> RunPrivilegedStep(RunSession& session, const StepTask& task,
                                              const UndoRequest& undo);

}  // namespace lockstep::migration
