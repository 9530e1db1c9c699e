// Asks guards as they will stand when their turn comes, before anything is undone.
//
// A guard that speaks now may fall silent once revisions that came later are undone (rows that one
// of them inserted). Finding that out by undoing them would destroy what a refusal is to keep. So
// their undos run in one transaction, the guards are asked in their places, and all of it is rolled
// back. The locks are those of the undos, held together until the rollback; each is waited for as
// briefly as in a step, and after a timeout everything is let go and tried again.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Rehearses the undo of plan.items[0, last) and asks the guards of items [0, last]. OK when all of
// them let the undo go. The refusal of a guard; STEP_BLOCKED; REHEARSAL_IMPOSSIBLE when one of the
// undos cannot run in a transaction that is rolled back, or fails in it.
absl::Status RehearseGuards(RunSession& session, const Plan& plan, const AppliedState& state,
                            const RunOptions& run, std::size_t last);

}  // namespace lockstep::migration
