// The client programs of PostgreSQL that belong to a server's version.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lockstep::migration {

// Path of `name` (pg_dump, pg_restore, psql) whose major version is that of the server (150018 =
// 15.18): the one on PATH, else one in /usr/lib/postgresql/*/bin. FAILED_PRECONDITION
// (PROGRAM_MISSING) names the versions that were found.
absl::StatusOr<std::string> FindPgProgram(std::string_view name, int server_version);

// 15 from "pg_dump (PostgreSQL) 15.18 (Debian ...)"; 0 = not such a text. Pure.
int MajorVersionIn(std::string_view version_text);

}  // namespace lockstep::migration
