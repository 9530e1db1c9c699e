// The life of one run: its line in the ledger, the lease around its work, and its end, whatever
// happens.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/json/json_object.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

struct RunRequest {
  std::string kind;
  std::string target;
  std::string run_id;  // "" = a new one
  // What else was asked for, kept with the run's first event.
  JsonObject details = {};
};

// Works under the lease. What it returns decides how the run ends.
using RunBody = std::function<absl::Status(RunSession&, RunReport&)>;

// Records the run, takes the lease on `connection`, runs `body`, records the end, gives the lease
// back. RUNNER_ON_REPLICA, RUNNER_BEHIND_POOLER (whereabouts.h), RUN_EXISTS, LEASE_HELD,
// LEASE_LOST, CONNECTION_LOST (the step in flight is known to be applied or not),
// COMMIT_OUTCOME_UNKNOWN, or what `body` returned.
absl::StatusOr<RunReport> RunUnderLease(const Context& context, const EngineOptions& options,
                                        const Graph& graph, const RunRequest& request,
                                        std::unique_ptr<pg::Connection> connection, EventSink& sink,
                                        const RunBody& body);

// The line of a run that needs no lease or had nothing to do. RUN_EXISTS, RUNNER_ON_REPLICA.
absl::Status RecordRun(pg::Connection& connection, const EngineOptions& options,
                       const RunRequest& request, RunState state);

// "UPDATE migration.runs ...;\n": the run (an SQL expression) ended like this, unless another
// runner has marked it as interrupted.
std::string EndRunSql(const std::string& run, const absl::Status& status);

// How a run with this outcome ended.
RunState StateAfter(const absl::Status& status);

}  // namespace lockstep::migration
