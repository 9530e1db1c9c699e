// Builds in the ledger: what registered, what is kept as a way back, and what counts now.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/build_manifest.h"
#include "services/migration/engine/compatibility.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/gate.h"

namespace lockstep::migration {

// A manifest as the ledger keeps it, and back; of what is no manifest, an empty one.
std::string ManifestJson(const BuildManifest& manifest);
BuildManifest ManifestFromJson(std::string_view json);

// Live instances with a lease of this database cluster, and kept builds.
absl::StatusOr<std::vector<BuildInUse>> LoadBuildsInUse(pg::Connection& connection);

// Of every build that ever registered.
absl::StatusOr<std::vector<BuildManifest>> LoadManifests(pg::Connection& connection);

// By service and build.
absl::StatusOr<std::vector<BuildInfo>> LoadBuilds(pg::Connection& connection);

// Keeps a build as a way back, or releases it (reason ""). BUILD_UNKNOWN.
absl::StatusOr<BuildInfo> MarkBuild(pg::Connection& connection, const EngineOptions& options,
                                    std::string_view service, std::string_view build,
                                    std::string_view reason);

// For a plan that is going to run: INCOMPATIBLE_BUILD with everything that stands against it, gates
// of CONTRACT revisions excepted, for which a run waits, and what an undo's own checks refuse
// (REQUIRED_BY_INSTANCE). `found` gets all of it.
absl::Status CheckBuilds(pg::Connection& connection, const Graph& graph, const Plan& plan,
                         std::vector<Violation>& found);

}  // namespace lockstep::migration
