// Carries out a plan under the lease: every step in order, then the verifications of what was
// touched. Each function has a file of its own.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Plans again from what the ledger says now that the lease is held, and runs the plan.
absl::Status RunUpgrade(RunSession& session, std::string_view target, const RunOptions& run,
                        RunReport& report);
absl::Status RunDowngrade(RunSession& session, std::string_view target, const RunOptions& run,
                          RunReport& report);
// Records the target as applied, and what is not part of it as not applied, in one transaction.
absl::Status RunStamp(RunSession& session, std::string_view target, RunReport& report);

}  // namespace lockstep::migration
