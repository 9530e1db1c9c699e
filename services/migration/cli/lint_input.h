// What `lockstep lint PATH...` reads, without a database.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/migration/engine/lint/lint.h"

namespace lockstep::cli {

struct LintInput {
  // Migrations folders, folders of SQL files, SQL files, or "-" for the standard input.
  std::vector<std::string> paths;
  migration::PlainFiles plain_files = migration::PlainFiles::kAsTheySay;
  int server_version = 0;  // 150000; 0 = not known
  // Of migrations folders only what this target does not need; "" = everything.
  std::string since;
};

// Files keep the path under which they were found. In a migrations folder (one with
// releases.textproto) every release is a plan of its own, and what no release has yet is the last
// one; of a revision's folder, or a file in it, only what that revision does is told. In any other
// folder every *.sql file below it is a plan of its own, in the order of their paths, and later
// ones meet what earlier ones made. INVALID_ARGUMENT (LINT_PATH_INVALID); errors of
// LoadDefinitions().
[[nodiscard]] absl::StatusOr<migration::LintReport> LintPaths(const LintInput& input);

// The SQL files of `paths`, for a server to look at. Errors as above.
[[nodiscard]] absl::StatusOr<std::vector<migration::Script>> ReadSqlFiles(
    const std::vector<std::string>& paths);

}  // namespace lockstep::cli
