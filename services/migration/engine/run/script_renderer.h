// `upgrade --sql` and `downgrade --sql`: the run as a script for psql, made without a database.
//
// The script takes the same lease, stops unless exactly the expected revisions are applied, from
// the same files, runs the same checks, and writes the same ledger rows as a run of the engine;
// only actor, host, times and run id differ. It raises when an expectation, a verification or a
// guard fails; a downgrade asks instances, and guards that no undo of its own may change, before
// the first undo. What it cannot do is wait for locks again and again, try undos in advance
// (rehearsal.h), or end its run in the ledger once it has raised: the next runner does that. Run it
// with `psql -v ON_ERROR_STOP=1 -f FILE` as lockstep_migrator (or, when it has privileged steps, as
// an administrator).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/engine_values.h"

namespace lockstep::migration {

// Errors of ResolveTarget and the planner; IRREVERSIBLE.
absl::StatusOr<std::string> RenderUpgrade(const Graph& graph, std::string_view target,
                                          const ScriptOptions& options);
absl::StatusOr<std::string> RenderDowngrade(const Graph& graph, std::string_view target,
                                            const ScriptOptions& options);

}  // namespace lockstep::migration
