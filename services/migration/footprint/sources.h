// The C++ sources of a service, read from disk.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/migration/footprint/footprint.h"

namespace lockstep::migration::footprint {

// Every .cc and .h file in the folders (relative to `root`) and below, by name, so that the order
// does not depend on the file system. NOT_FOUND (SOURCES_MISSING) for a folder without any;
// UNAVAILABLE (SOURCE_UNREADABLE).
absl::StatusOr<std::vector<Source>> ReadSources(const std::string& root,
                                                const std::vector<std::string>& folders);

}  // namespace lockstep::migration::footprint
