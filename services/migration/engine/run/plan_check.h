// Whether a plan may run: nothing but what was reviewed, and not while a freeze window is open.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/reviewed_plan.h"

namespace lockstep::migration {

// The archived scripts that a downgrade plan would run. ARCHIVED_SCRIPT_DAMAGED.
absl::StatusOr<UndoScripts> LoadUndos(pg::Connection& connection, const Graph& graph,
                                      const Plan& plan);

// PLAN_CHANGED unless `plan`, made from `state`, is what run.reviewed says; OK without one. Under
// the lease nothing can come between this and the run.
absl::Status CheckReviewed(pg::Connection& connection, const Graph& graph,
                           const AppliedState& state, const Plan& plan, const RunOptions& run);

// For a run that is not in the ledger yet: CheckReviewed, and FROZEN when there is something to do.
absl::Status MayRunPlan(pg::Connection& connection, const Graph& graph, const AppliedState& state,
                        const Plan& plan, const RunOptions& run);

}  // namespace lockstep::migration
