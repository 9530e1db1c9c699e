// What a step promises of itself: (check_id, expected, actual) rows of its expect script.
#pragma once

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/value.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// The rows of all statements; `results` holds one result for each. A statement without a row checks
// nothing and counts as failed. EXPECTATION_FAILED when one has not three columns.
absl::StatusOr<std::vector<VerificationResult>> ReadExpectations(
    const StepTask& task, std::span<const pg::Result> results);

// Puts each into the log of the run.
void TellExpectations(RunSession& session, const StepTask& task,
                      const std::vector<VerificationResult>& checks);

// OK when all hold; EXPECTATION_FAILED that names those which do not.
absl::Status ExpectationStatus(const StepTask& task, const std::vector<VerificationResult>& checks);

}  // namespace lockstep::migration
