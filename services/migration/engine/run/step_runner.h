// One step as every run does it, whatever its kind and direction.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"
#include "services/migration/engine/run/undo.h"

namespace lockstep::migration {

// Not before a pause is over, not in a freeze window; the step's start, its failure and what came
// of its checks are told and recorded. `body` does the work.
absl::Status RunStepWith(RunSession& session, const StepTask& task,
                         absl::FunctionRef<absl::StatusOr<StepOutcome>()> body, RunReport& report);

// The same with the work that the step's kind and direction ask for. `undo` is for going down.
absl::Status RunStep(RunSession& session, const StepTask& task, const UndoRequest& undo,
                     RunReport& report);

// Whether what was there before is there under another name now.
bool RenamesRelations(const Script& script);

// Waits while somebody keeps the run paused.
absl::Status AwaitResumption(RunSession& session);

// Whether the ledger has the step as done with an undo that is not finished.
bool IsHalfUndone(const AppliedState& state, const Revision& revision, int ordinal);
// Whether it was begun outside of a transaction and is not done.
bool WasBegun(const AppliedState& state, const Revision& revision, int ordinal);

}  // namespace lockstep::migration
