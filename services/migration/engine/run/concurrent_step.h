// Runs one non-transactional step: statements such as CREATE INDEX CONCURRENTLY that refuse a
// transaction.
//
// No ledger row can commit together with them, so each statement is announced first
// (step_intents.h), sent on the runner's recorded connection right after a lease check, and judged
// by the catalog afterwards. After a crash the catalog says how far it came: an index that is valid
// is done; an invalid one that is ours by name, table and definition, and that nobody builds, is
// dropped and built again. An index of a partitioned table is built and dropped partition by
// partition (partitioned_index.h). An index that an announced statement of an earlier text built is
// ours as well, and goes. A step whose undo was broken off is taken up the same way: what it made
// counts as ours.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/undo.h"

namespace lockstep::migration {

// Reasons as RunTransactionalStep, and NON_TRANSACTIONAL_UNSUPPORTED for statements whose outcome
// the catalog cannot tell. `undo` is used going down only.
absl::StatusOr<StepOutcome> RunConcurrentStep(RunSession& session, const StepTask& task,
                                              const UndoRequest& undo);

// For a downgrade past a step that was begun and never done: removes what the statements announced
// for it left behind. STEP_HALF_DONE when that is no longer possible because one took effect that
// only the step's own undo takes back: the step has to be finished first.
absl::Status ClearBegunStep(RunSession& session, const StepTask& task);

}  // namespace lockstep::migration
