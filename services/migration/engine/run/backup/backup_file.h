// A backup on disk: nothing has its name before all of it is there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace lockstep::migration {

// "FILE.partial" while it is written. The destructor removes that unless Publish() was called.
class PartialFile {
 public:
  // Readable by its owner only. ALREADY_EXISTS (BACKUP_FILE_EXISTS) when `file` or its partial file
  // is there; FAILED_PRECONDITION (BACKUP_FILE_NOT_WRITABLE).
  static absl::StatusOr<PartialFile> Create(const std::string& file);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  const std::string& path() const { return path_; }
  std::int64_t bytes() const;
  // Brings it and "FILE.sha256" to disk and gives it its name. BACKUP_FILE_EXISTS,
  // BACKUP_FILE_NOT_WRITABLE.
  absl::Status Publish(std::string_view sha256);

 private:
  explicit PartialFile(std::string file) : file_(std::move(file)), path_(file_ + ".partial") {}
  std::string file_;
  std::string path_;
  bool is_ours_ = true;
};

// Lower-case hexadecimal. FAILED_PRECONDITION (BACKUP_FILE_NOT_READABLE).
absl::StatusOr<std::string> FileSha256(const std::string& file);

// What "FILE.sha256" says: the line that sha256sum writes. NOT_FOUND (CHECKSUM_MISSING).
absl::StatusOr<std::string> ReadSidecar(const std::string& file);

}  // namespace lockstep::migration
