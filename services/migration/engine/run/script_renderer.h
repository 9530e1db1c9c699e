// `upgrade --sql` and `downgrade --sql`: the run as a script for psql, made without a database.
//
// The script takes the same lease, stops unless exactly the expected revisions are applied, runs
// the same checks, and writes the same ledger rows as a run of the engine; only actor, times and
// run id differ. It raises when an expectation, a verification or a guard fails. Run it with `psql
// -v ON_ERROR_STOP=1 -f FILE` as lockstep_migrator (or, when it has privileged steps, as an
// administrator).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

// Errors of ResolveTarget and the planner; IRREVERSIBLE.
absl::StatusOr<std::string> RenderUpgrade(const Graph& graph, std::string_view target,
                                          const ScriptOptions& options);
absl::StatusOr<std::string> RenderDowngrade(const Graph& graph, std::string_view target,
                                            const ScriptOptions& options);

}  // namespace lockstep::migration
