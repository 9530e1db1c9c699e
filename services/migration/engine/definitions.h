// Loads a migrations folder into validated values.
//
// `LoadDefinitions` reads <root>/releases.textproto and every <root>/<service>/<id>_<slug>/ folder,
// splits and checks the SQL, and builds the graph. It never stops at the first mistake: a load that
// fails names every problem with file and line. Pure but for reading files.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"

namespace lockstep::migration {

enum class CacheMode {
  kOff,  // read and hash everything: what `plan`, `verify` and every run that changes something use
  kUse,  // trust the cache when size, times and inode of every file are unchanged
         // (definition_cache.h)
};

struct LoadOptions {
  CacheMode cache = CacheMode::kOff;
  std::string cache_dir;  // where the cache file is kept; "" = DefaultCacheDir()
};

struct LoadResult {
  Definitions definitions;        // usable only when `problems` is empty
  std::vector<Problem> problems;  // sorted; any makes the folder unusable
  std::vector<Problem>
      warnings;  // sorted: scripts that the parser cannot read, references that nothing uses
  bool from_cache = false;
};

// Reads everything under `root` and reports all that is wrong with it.
LoadResult InspectDefinitions(const std::string& root, const LoadOptions& options = {});

// The same with the warnings in the definitions and the problems as a status: INVALID_ARGUMENT
// (DEFINITIONS_INVALID) whose message lists all problems, one per line; NOT_FOUND
// (MIGRATIONS_FOLDER_MISSING) when `root` is not a folder. Metadata "problems" is their number.
[[nodiscard]] absl::StatusOr<Definitions> LoadDefinitions(const std::string& root,
                                                          const LoadOptions& options = {});

// The status that LoadDefinitions makes of `problems`; REQUIRES: not empty.
[[nodiscard]] absl::Status ProblemsToStatus(const std::vector<Problem>& problems);

}  // namespace lockstep::migration
