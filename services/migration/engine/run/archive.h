// Keeps what an undo would destroy, inside the undo's transaction. See undo.h.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {

struct ArchiveScope {
  // This step also keeps declared rows of tables that no step's script visibly touches.
  bool with_undeclared_rows = false;
  // The guard was asked in this transaction and found nothing.
  bool guard_is_silent = false;
};

// Fills `prepared` (statements, schemas, ledger rows, events) for the step. Called in the owner's
// role with the tables locked; leaves the role as it was. ARCHIVE_IMPOSSIBLE.
absl::Status KeepWhatGoes(RunSession& session, const StepTask& task, const ArchiveScope& scope,
                          pg::Connection& connection, Prepared& prepared);

}  // namespace lockstep::migration
