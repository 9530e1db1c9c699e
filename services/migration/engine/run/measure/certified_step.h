// A step under the eyes of a meter: measured on a scratch database, compared with its certificate
// on the live one.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/migration/engine/run/measure/meter.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {

// Whether somebody wants to know what the step costs: the run measures, or the step has a
// certificate that it must keep to. Only of ways up.
bool IsWatched(const RunSession& session, const StepTask& task);

// FAILED_PRECONDITION (LOCKS_WORSE_THAN_CERTIFIED) with what is worse and what to do, unless the
// run goes on for a reason; then a warning says so. OK without a certificate.
absl::Status MayCost(RunSession& session, const StepTask& task, const Measurement& real);

// Runs `body`, which sends statements that cannot run in a transaction of ours, and looks at the
// runner's session meanwhile when the run measures.
absl::StatusOr<StepOutcome> MeasureAlone(RunSession& session,
                                         absl::FunctionRef<absl::StatusOr<StepOutcome>()> body);

}  // namespace lockstep::migration
