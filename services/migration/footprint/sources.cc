#include "services/migration/footprint/sources.h"

#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "common/status/error.h"
#include "services/migration/engine/files.h"

namespace lockstep::migration::footprint {
namespace {

namespace fs = std::filesystem;

// Paths relative to `root`, sorted.
std::set<std::string> FilesIn(const fs::path& root, const std::string& folder) {
  std::set<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(root / folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path extension = entry->path().extension();
    if (extension != ".cc" && extension != ".h") continue;
    files.insert(entry->path().lexically_relative(root).generic_string());
  }
  return files;
}

}  // namespace

absl::StatusOr<std::vector<Source>> ReadSources(const std::string& root,
                                                const std::vector<std::string>& folders) {
  std::vector<Source> sources;
  for (const std::string& folder : folders) {
    const std::set<std::string> files = FilesIn(root, folder);
    if (files.empty()) {
      return Error(absl::StatusCode::kNotFound, "SOURCES_MISSING",
                   "there is no .cc or .h file in " + folder + " below " + root +
                       "; give folders relative to it");
    }
    for (const std::string& file : files) {
      std::optional<std::string> text = ReadWholeFile(root + "/" + file);
      if (!text.has_value()) {
        return Error(absl::StatusCode::kUnavailable, "SOURCE_UNREADABLE", "cannot read " + file);
      }
      sources.push_back({file, *std::move(text)});
    }
  }
  return sources;
}

}  // namespace lockstep::migration::footprint
