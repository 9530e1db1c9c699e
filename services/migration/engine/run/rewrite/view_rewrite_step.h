// Runs a step that gives views other definitions: evidence first, then the swap.
#pragma once

#include "absl/status/statusor.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"
#include "services/migration/engine/run/undo.h"

namespace lockstep::migration {

// Going up old and new definitions are compared on the rows that are there; nothing is changed
// unless they are equal (VIEW_DIFFERS). Going down the archived definitions come back as they were.
// Reasons also: VIEW_MISSING, VIEW_INCOMPARABLE, VIEW_CHANGED, VIEW_IN_USE, and those of
// RunTransactionalStep().
absl::StatusOr<StepOutcome> RunViewRewrite(RunSession& session, const StepTask& task,
                                           const UndoRequest& undo);

}  // namespace lockstep::migration
