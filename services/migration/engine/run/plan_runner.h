// Carries out a plan under the lease: every step in order, then the verifications of what was
// touched.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/plan.h"
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

// What stands against a downgrade before its first step: irreversible revisions, live instances,
// and what guards find now. `refusal` tells blockers that stop the run from those that archiving
// lifts.
struct DowngradeBlocker {
  Blocker blocker;
  absl::Status refusal;  // OK = only reported
  // An undo that comes earlier in the plan changes what the guard reads: when its turn comes it may
  // find nothing.
  bool may_vanish = false;
};
// Only reads, so it serves a plan as well as a run.
absl::StatusOr<std::vector<DowngradeBlocker>> FindDowngradeBlockers(pg::Connection& connection,
                                                                    const Graph& graph,
                                                                    const AppliedState& state,
                                                                    const Plan& plan,
                                                                    const RunOptions& run);
// For a run: refuses before the first step what some step would refuse later, when other steps have
// already destroyed data. What an earlier undo may make vanish is rehearsed (rehearsal.h); where
// that is impossible, what the guard finds now is the answer.
absl::Status MayDowngrade(RunSession& session, const AppliedState& state, const Plan& plan,
                          const RunOptions& run);

}  // namespace lockstep::migration
