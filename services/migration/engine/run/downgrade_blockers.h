// What stands against a downgrade before its first step.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// An irreversible revision, a live instance, or what a guard finds now. `refusal` tells blockers
// that stop the run from those that archiving lifts.
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
