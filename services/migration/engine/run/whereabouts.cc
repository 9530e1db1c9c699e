#include "services/migration/engine/run/whereabouts.h"

#include <string_view>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {

absl::StatusOr<Whereabouts> LookAround(pg::Connection& connection) {
  // A pooler that multiplexes has to invent the process id that it tells its clients, and another
  // backend does not know the settings that were made on the first one.
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT pg_is_in_recovery() AS is_replica, pg_backend_pid() AS pid,"
          "       current_setting('client_connection_check_interval') = '1s'"
          "         AND current_setting('search_path') = 'pg_catalog, pg_temp'"
          "         AS has_settings,"
          "       coalesce((SELECT r.rolsuper FROM pg_roles AS r"
          "                  WHERE r.rolname = session_user), false) AS is_superuser"));
  const pg::Row row = rows[0];
  Whereabouts where;
  where.is_superuser = row.Get<bool>("is_superuser");
  const bool is_pooled =
      row.Get<std::int32_t>("pid") != connection.backend_pid() || !row.Get<bool>("has_settings");
  if (is_pooled) {
    where.refusal = Error(absl::StatusCode::kFailedPrecondition, "RUNNER_BEHIND_POOLER",
                          "the connection goes through a pooler, where neither the lease nor a "
                          "session's settings hold; name the server itself (host and port of "
                          "PostgreSQL, not of PgBouncer)");
  } else if (row.Get<bool>("is_replica")) {
    where.refusal = Error(absl::StatusCode::kFailedPrecondition, "RUNNER_ON_REPLICA",
                          "the server is a replica and changes nothing; name the primary (with "
                          "several hosts: target_session_attrs=read-write)");
  }
  return where;
}

}  // namespace lockstep::migration
