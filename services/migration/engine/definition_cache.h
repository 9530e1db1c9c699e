// Keeps loaded definitions on disk, so that a command with nothing to do need not read thousands of
// files.
//
// One file per migrations folder holds the definitions and, for every file and folder that they
// came from, size, modification and change time, inode. Looking up costs one stat() each. A cache
// that is damaged, of another version, or older than any of its files is as good as none. Files
// younger than the clock's grain are never trusted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/migration/engine/definitions.h"

namespace lockstep::migration {

// $XDG_CACHE_HOME/lockstep, else $HOME/.cache/lockstep, else "" (no cache).
std::string DefaultCacheDir();

// What a file looked like when it was read.
struct FileStamp {
  std::string path;  // relative to the migrations folder; "" = the folder itself
  long long size = 0;
  long long modified_ns = 0;
  long long changed_ns = 0;
  unsigned long long inode = 0;
  bool is_directory = false;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

struct FolderStamps {
  std::vector<FileStamp> files;
  long long taken_ns = 0;  // by the system clock, before the first stamp was taken
};

// The definitions of `root` (absolute) and their warnings when the cache in `cache_dir` has them
// and no file changed.
std::optional<LoadResult> FetchCached(const std::string& root, const std::string& cache_dir);

// Takes stamps of the folders and files that loading `root` looks at. To be called *before* reading
// them.
FolderStamps StampFiles(const std::string& root);

// Whether every later change of a file will show in its stamp: no file changed within the clock's
// grain before the stamps were taken.
bool AreSettled(const FolderStamps& stamps);

// Writes the cache; best effort: a folder that cannot be written is not an error. Returns whether
// it was written. REQUIRES: `result` has no problems.
bool StoreCached(const LoadResult& result, const FolderStamps& stamps,
                 const std::string& cache_dir);

}  // namespace lockstep::migration
