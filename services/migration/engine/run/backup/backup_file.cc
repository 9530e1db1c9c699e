#include "services/migration/engine/run/backup/backup_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

absl::Status NotWritable(const std::string& file) {
  return Error(absl::StatusCode::kFailedPrecondition, "BACKUP_FILE_NOT_WRITABLE",
               "cannot write " + file + ": " + std::strerror(errno));
}

absl::Status Exists(const std::string& file) {
  return Error(absl::StatusCode::kAlreadyExists, "BACKUP_FILE_EXISTS",
               file + " exists; a backup replaces no file: name another one, or remove it");
}

// Of a file or a folder.
absl::Status Sync(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NotWritable(path);
  const bool is_synced = fsync(fd) == 0;
  const absl::Status status = is_synced ? absl::OkStatus() : NotWritable(path);
  close(fd);
  return status;
}

}  // namespace

absl::StatusOr<PartialFile> PartialFile::Create(const std::string& file) {
  if (access(file.c_str(), F_OK) == 0) return Exists(file);
  PartialFile partial(file);
  const int fd = open(partial.path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    partial.is_ours_ = false;
    return errno == EEXIST ? Exists(partial.path_) : NotWritable(partial.path_);
  }
  close(fd);
  return partial;
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : file_(std::move(other.file_)),
      path_(std::move(other.path_)),
      is_ours_(std::exchange(other.is_ours_, false)) {}

PartialFile::~PartialFile() {
  if (is_ours_) unlink(path_.c_str());
}

std::int64_t PartialFile::bytes() const {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

absl::Status PartialFile::Publish(std::string_view sha256) {
  RETURN_IF_ERROR(Sync(path_));
  const std::filesystem::path path(file_);
  if (access(file_.c_str(), F_OK) == 0) return Exists(file_);
  // First, so that there is never a whole backup that nothing vouches for.
  const std::string sidecar = file_ + ".sha256";
  {
    std::ofstream out(sidecar, std::ios::trunc);
    out << sha256 << "  " << path.filename().string() << "\n";
    if (!out.flush()) return NotWritable(sidecar);
  }
  RETURN_IF_ERROR(Sync(sidecar));
  if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, file_.c_str(), RENAME_NOREPLACE) != 0) {
    return errno == EEXIST ? Exists(file_) : NotWritable(file_);
  }
  is_ours_ = false;
  const std::string folder = path.parent_path().string();
  return Sync(folder.empty() ? "." : folder);
}

absl::StatusOr<std::string> FileSha256(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(),
                                                                       &EVP_MD_CTX_free);
  EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1 << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    EVP_DigestUpdate(digest.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (!in.is_open() || in.bad()) {
    return Error(absl::StatusCode::kFailedPrecondition, "BACKUP_FILE_NOT_READABLE",
                 "cannot read " + file);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(digest.get(), bytes.data(), &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += absl::StrFormat("%02x", bytes[i]);
  return hex;
}

absl::StatusOr<std::string> ReadSidecar(const std::string& file) {
  std::ifstream in(file + ".sha256");
  std::string checksum;
  if (in >> checksum) return checksum;
  return Error(absl::StatusCode::kNotFound, "CHECKSUM_MISSING",
               file +
                   ".sha256 cannot be read; give the checksum that `lockstep backup` printed: "
                   "--checksum HEX");
}

}  // namespace lockstep::migration
