// Keeps what an undo would destroy, inside the undo's transaction. See undo.h.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {

// Fills `prepared` (statements, schemas, ledger rows, events) for the step. Called in the owner's
// role with the tables locked; leaves the role as it was. `with_undeclared_rows`: this step also
// keeps declared rows of tables that no step's script visibly touches. ARCHIVE_IMPOSSIBLE.
absl::Status KeepWhatGoes(RunSession& session, const StepTask& task, bool with_undeclared_rows,
                          pg::Connection& connection, Prepared& prepared);

}  // namespace lockstep::migration
