#include "services/migration/engine/run/backup/pg_program.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/process/child.h"
#include "common/status/error.h"

namespace lockstep::migration {
namespace {

std::vector<std::string> Candidates(std::string_view name) {
  std::vector<std::string> folders;
  const char* path = std::getenv("PATH");
  std::istringstream parts(path == nullptr ? "" : path);
  for (std::string folder; std::getline(parts, folder, ':');) {
    if (!folder.empty()) folders.push_back(folder);
  }
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    folders.push_back(entry.path() / "bin");
  }
  std::vector<std::string> found;
  for (const std::string& folder : folders) {
    std::string candidate = folder + "/" + std::string(name);
    if (access(candidate.c_str(), X_OK) == 0) found.push_back(std::move(candidate));
  }
  return found;
}

// What `program --version` says; "" when it does not.
std::string VersionText(const std::string& program) {
  process::ChildOptions options;
  options.command = {program, "--version"};
  options.has_output = true;
  const auto child = process::Child::Start(options);
  if (!child.ok()) return "";
  std::string text(200, '\0');
  const ssize_t size = read((*child)->output(), text.data(), text.size());
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  const bool is_good = (*child)->Wait(absl::Seconds(5)) == 0;
  return is_good ? text.substr(0, text.find('\n')) : "";
}

}  // namespace

int MajorVersionIn(std::string_view version_text) {
  constexpr std::string_view kMark = "(PostgreSQL) ";
  const std::size_t at = version_text.find(kMark);
  if (at == std::string_view::npos) return 0;
  const std::string_view number = version_text.substr(at + kMark.size());
  int major = 0;
  const std::string digits(number.substr(0, number.find_first_not_of("0123456789")));
  return absl::SimpleAtoi(digits, &major) ? major : 0;
}

absl::StatusOr<std::string> FindPgProgram(std::string_view name, int server_version) {
  const int wanted = server_version / 10'000;
  std::string others;
  for (const std::string& candidate : Candidates(name)) {
    const int major = MajorVersionIn(VersionText(candidate));
    if (major == wanted) return candidate;
    others += (others.empty() ? "" : ", ") + candidate + " of version " +
              (major > 0 ? std::to_string(major) : "unknown");
  }
  return Error(absl::StatusCode::kFailedPrecondition, "PROGRAM_MISSING",
               "the server is PostgreSQL " + std::to_string(wanted) + " and needs " +
                   std::string(name) + " of that version on PATH or in /usr/lib/postgresql/" +
                   std::to_string(wanted) + "/bin; found: " + (others.empty() ? "none" : others));
}

}  // namespace lockstep::migration
