// Runs one non-transactional step: statements such as CREATE INDEX CONCURRENTLY that refuse a
// transaction.
//
// No ledger row can commit together with them, so each statement is announced first (step_intents),
// sent on the runner's recorded connection right after a lease check, and judged by the catalog
// afterwards. After a crash the catalog says how far it came: an index that is valid is done; an
// invalid one that is ours by name, table and definition, and that nobody builds, is dropped and
// built again.
#pragma once

#include "absl/status/statusor.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/undo.h"

namespace lockstep::migration {

// Reasons as RunTransactionalStep, and NON_TRANSACTIONAL_UNSUPPORTED for statements whose outcome
// the catalog cannot tell. `undo` is used going down only.
absl::StatusOr<StepOutcome> RunConcurrentStep(RunSession& session, const StepTask& task,
                                              const UndoRequest& undo);

}  // namespace lockstep::migration
