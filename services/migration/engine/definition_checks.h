// What can be wrong between the revisions of a folder: names, parents, cycles, heads, releases.
// Pure; internal to the loader.
#pragma once

#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"
#include "services/migration/engine/spec_reader.h"

namespace lockstep::migration {

// Resolves aliases, checks the graph and the releases, and returns everything in the deterministic
// global order. The result is usable only when no problem was found; checksums are not set.
Definitions Assemble(std::vector<RevisionDraft> drafts, ReleasesDraft releases,
                     std::vector<Problem>& problems);

}  // namespace lockstep::migration
