#include "services/migration/engine/definition_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "services/migration/engine/definition_archive.h"
#include "services/migration/engine/files.h"
#include "services/migration/engine/sha256.h"

namespace lockstep::migration {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[] = "lockstep definitions 4";
// Time stamps of files move in steps of the kernel's clock tick, at most 10 ms.
constexpr long long kGrainNs = 50'000'000;
constexpr unsigned kOnlyOwner = 0600;

long long Nanoseconds(const timespec& time) {
  return static_cast<long long>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

// A file that is not there is a stamp like any other: appearing is a change.
FileStamp Stamp(int root, const std::string& path) {
  FileStamp stamp;
  stamp.path = path;
  struct stat info {};
  if (fstatat(root, path.empty() ? "." : path.c_str(), &info, 0) != 0) {
    stamp.size = -1;
    return stamp;
  }
  stamp.size = info.st_size;
  stamp.modified_ns = Nanoseconds(info.st_mtim);
  stamp.changed_ns = Nanoseconds(info.st_ctim);
  stamp.inode = info.st_ino;
  stamp.is_directory = S_ISDIR(info.st_mode);
  return stamp;
}

class Folder {
 public:
  explicit Folder(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  ~Folder() {
    if (fd_ >= 0) close(fd_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Another build may have other rules: what it found valid says nothing about ours.
std::string BuildIdentity() {
  struct stat info {};
  if (stat("/proc/self/exe", &info) != 0) return kMagic;
  return std::string(kMagic) + " " + std::to_string(info.st_size) + " " +
         std::to_string(info.st_ino) + " " + std::to_string(Nanoseconds(info.st_mtim));
}

std::string CacheFile(const std::string& root, const std::string& cache_dir) {
  return cache_dir + "/definitions-" + Sha256Hex(root).substr(0, 16) + ".bin";
}

}  // namespace

std::string DefaultCacheDir() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && xdg[0] == '/') {
    return std::string(xdg) + "/lockstep";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    return std::string(home) + "/.cache/lockstep";
  }
  return "";
}

std::optional<LoadResult> FetchCached(const std::string& root, const std::string& cache_dir) {
  if (cache_dir.empty()) return std::nullopt;
  const std::optional<std::string> bytes = ReadWholeFile(CacheFile(root, cache_dir));
  if (!bytes.has_value()) return std::nullopt;
  ArchiveReader reader(*bytes);
  std::string build;
  std::string digest;
  reader(build, digest);
  if (!reader.ok() || build != BuildIdentity()) return std::nullopt;
  const std::string_view payload =
      std::string_view(*bytes).substr(build.size() + digest.size() + 2 * sizeof(std::uint64_t));
  if (Sha256Hex(payload) != digest) return std::nullopt;
  std::vector<FileStamp> stamps;
  reader(stamps);
  const Folder folder(root);
  if (!reader.ok() || folder.get() < 0) return std::nullopt;
  for (const FileStamp& stamp : stamps) {
    if (Stamp(folder.get(), stamp.path) != stamp) return std::nullopt;
  }
  LoadResult result;
  reader(result.definitions, result.warnings);
  if (!reader.ok() || !reader.at_end() || result.definitions.root != root) return std::nullopt;
  result.from_cache = true;
  return result;
}

FolderStamps StampFiles(const std::string& root) {
  FolderStamps stamps;
  stamps.taken_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
  const Folder folder(root);
  if (folder.get() < 0) return stamps;
  stamps.files.push_back(Stamp(folder.get(), ""));
  stamps.files.push_back(Stamp(folder.get(), "releases.textproto"));
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool is_directory = it->is_directory(error);
    if (name[0] == '.') {
      if (is_directory) it.disable_recursion_pending();
      continue;
    }
    // Folders within a revision's folder or that of the repeatable definitions are not read, nor
    // files outside of one.
    if (is_directory && it.depth() >= 1) {
      it.disable_recursion_pending();
      if (it.depth() > 1) continue;
      for (const auto& entry : fs::directory_iterator(it->path(), error)) {
        stamps.files.push_back(Stamp(folder.get(), entry.path().lexically_relative(root).string()));
      }
    }
    if (is_directory) {
      stamps.files.push_back(Stamp(folder.get(), it->path().lexically_relative(root).string()));
    }
  }
  return stamps;
}

bool AreSettled(const FolderStamps& stamps) {
  return std::ranges::all_of(stamps.files, [&](const FileStamp& stamp) {
    return std::max(stamp.modified_ns, stamp.changed_ns) + kGrainNs <= stamps.taken_ns;
  });
}

bool StoreCached(const LoadResult& result, const FolderStamps& stamps,
                 const std::string& cache_dir) {
  if (cache_dir.empty() || stamps.files.empty() || !AreSettled(stamps)) return false;
  std::error_code error;
  fs::create_directories(cache_dir, error);
  if (error) return false;
  ArchiveWriter payload;
  payload(stamps.files, result.definitions, result.warnings);
  ArchiveWriter header;
  header(BuildIdentity(), Sha256Hex(payload.bytes()));
  return WriteWholeFile(CacheFile(result.definitions.root, cache_dir),
                        header.bytes() + payload.bytes(), kOnlyOwner);
}

}  // namespace lockstep::migration
