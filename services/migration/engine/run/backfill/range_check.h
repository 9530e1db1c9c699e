// Verifies a backfill range by range, by counts and hashes, without one long snapshot.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/migration/engine/run/backfill/backfill_ledger.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Looks at every range of every chunk on the runner's main connection, in the owner's role: whether
// the columns hold what their expressions give, or whether the step's expectations hold. Results
// that hold are summed up, one for each check. The first range that does not hold ends it:
// EXPECTATION_FAILED with the range and its counts. `resting` is called between ranges.
absl::StatusOr<std::vector<VerificationResult>> CheckRanges(
    RunSession& session, const StepTask& task, const BackfillTable& table,
    const std::vector<Chunk>& chunks, const std::function<absl::Status()>& resting);

}  // namespace lockstep::migration
