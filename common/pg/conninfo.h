// Connection strings for other programs of PostgreSQL, which must not show a password in their
// command line.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace lockstep::pg {

// What makes pg_dump, pg_restore or psql connect to where a connection string leads.
struct ProgramConnection {
  std::vector<std::pair<std::string, std::string>> environment;  // PGHOST, PGPASSWORD, ...
  // What has no variable and is no secret, as a connection string for --dbname; "" = nothing.
  std::string conninfo;
};

// `database_url`: libpq connection string or URI. The application name is left out, so that the
// program is known by its own. INVALID_ARGUMENT (DATABASE_URL_INVALID), also for a secret that no
// variable carries (sslpassword).
absl::StatusOr<ProgramConnection> ForProgram(std::string_view database_url);

// The same connection to another database of the same server. INVALID_ARGUMENT
// (DATABASE_URL_INVALID).
absl::StatusOr<std::string> WithDatabase(std::string_view database_url, std::string_view database);

}  // namespace lockstep::pg
