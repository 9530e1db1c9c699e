// What a build declares, made of the footprint of its sources.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "services/migration/engine/build_manifest.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/problem.h"
#include "services/migration/footprint/catalog.h"
#include "services/migration/footprint/footprint.h"

namespace lockstep::migration::footprint {

struct GeneratedManifest {
  BuildManifest manifest;  // build is left empty: the process knows its version
  // Of all required revisions the one that is applied last.
  std::string required_revision;
};

// For every owner of a used relation, and for `service` itself: requires the oldest revision with
// which everything that the footprint names of the owner's schemas exists in its present shape, or
// the minimum, if that is newer; built for the owner's head.
//
// `minimums` are ids or aliases by owner, for what no name shows: constraints and data that the
// code relies on. Appends to `problems`, without file and line:
//   MINIMUM_UNKNOWN     no revision of that owner has this id or alias;
//   MINIMUM_NOT_NEEDED  the owner's schemas are not used, or the footprint requires as much anyway.
// Any makes the result unusable. Pure; thread-safe.
GeneratedManifest MakeManifest(const Graph& graph, const Catalog& catalog,
                               const Footprint& footprint, const std::string& service,
                               const std::map<std::string, std::string>& minimums,
                               std::vector<Problem>& problems);

// C++ source text that defines `const revision_gate::BuildManifest& Manifest()` of
// services/<service>/manifest.h. The same manifest gives the same bytes.
std::string RenderSource(const GeneratedManifest& generated);

}  // namespace lockstep::migration::footprint
