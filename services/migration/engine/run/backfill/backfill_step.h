// Runs a backfill step: the trigger that covers writes meanwhile, frozen ranges, batches by several
// workers, verification, statistics.
//
// Whatever dies, no batch is lost or repeated: each commits together with the place where the next
// one begins. What is recorded of the step itself is recorded at the end, as for any other step.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {

// Begins, or goes on where an earlier run ended. Reasons: BACKFILL_INVALID, BACKFILL_TABLE_BUSY,
// STEP_FAILED, STEP_BLOCKED, EXPECTATION_FAILED, CANCELLED, LEASE_LOST. REQUIRES: the direction is
// up.
absl::StatusOr<StepOutcome> RunBackfillStep(RunSession& session, const StepTask& task);

// Takes back the unfinished backfills that no file declares any more: they would keep others from
// their tables.
absl::Status ClearStrayBackfills(RunSession& session);

// Takes back a backfill that was begun and never finished: its trigger and what the ledger knows.
// What it filled stays in its columns until the step that added them is undone.
absl::Status ClearBegunBackfill(RunSession& session, const StepTask& task);

}  // namespace lockstep::migration
