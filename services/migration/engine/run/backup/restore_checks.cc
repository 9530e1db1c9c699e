#include "services/migration/engine/run/backup/restore_checks.h"

#include <sstream>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/bootstrap.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/registry.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

// $1: the schemas that go. Views and foreign keys of others that CASCADE would take along.
constexpr char kForeignDependents[] = R"sql(
SELECT DISTINCT n.nspname || '.' || c.relname AS who
  FROM pg_depend AS d
  JOIN pg_class AS goes ON d.refclassid = 'pg_class'::regclass AND d.refobjid = goes.oid
  JOIN pg_namespace AS g ON g.oid = goes.relnamespace
  LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
  JOIN pg_class AS c ON c.oid = coalesce(r.ev_class, k.conrelid)
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE g.nspname = ANY ($1::text[]) AND n.nspname <> ALL ($1::text[]) ORDER BY 1
)sql";

// Tables, views and sequences that are neither the server's, nor an extension's, nor the ledger's.
constexpr char kWhatIsThere[] = R"sql(
SELECT n.nspname || '.' || c.relname AS what
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'migration')
   AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1 LIMIT 5
)sql";

absl::StatusOr<std::vector<std::string>> Names(pg::Connection& connection, const std::string& sql,
                                               const std::vector<std::string>& list,
                                               const char* column) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(sql, pg::ArrayLiteral(list)));
  std::vector<std::string> names;
  for (const pg::Row row : rows) names.push_back(row.Text(column));
  return names;
}

absl::Status CheckRoles(pg::Connection& connection) {
  std::vector<std::string> roles = {kMigratorRole};
  for (const std::string_view service : Services()) {
    roles.push_back(OwnerRole(service));
    roles.push_back(std::string(service) + "_app");
  }
  ASSIGN_OR_RETURN(const auto missing,
                   Names(connection,
                         "SELECT r AS name FROM unnest($1::text[]) AS r WHERE NOT EXISTS"
                         " (SELECT FROM pg_roles WHERE rolname = r) ORDER BY 1",
                         roles, "name"));
  if (missing.empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "ROLES_MISSING",
      "the server has no role " + absl::StrJoin(missing, ", ") + "; run first: lockstep bootstrap");
}

// Of a database with a ledger: nobody uses it.
absl::Status CheckIdle(pg::Connection& connection, RestoreTarget& target) {
  ASSIGN_OR_RETURN(pg::Result lease,
                   connection.Query("SELECT token, expires_at > clock_timestamp() AS is_held,"
                                    " actor || ' on ' || host AS who FROM migration.lease"));
  if (!lease.empty()) {
    target.lease_token = lease[0].Get<std::int64_t>("token");
    if (lease[0].Get<bool>("is_held")) return RunIsUnderWay(lease[0].Text("who"));
  }
  ASSIGN_OR_RETURN(const std::vector<Instance> instances, LoadInstances(connection));
  std::string live;
  for (const Instance& instance : instances) {
    if (!instance.is_live) continue;
    live += (live.empty() ? "" : ", ") + instance.service + " " + instance.id + " (" +
            instance.address + ")";
  }
  if (live.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "REQUIRED_BY_INSTANCE",
               "running instances use this database: " + live +
                   "; stop them and restore again (a lease of one that died ends by itself)");
}

absl::Status CheckEmpty(pg::Connection& connection, const RestoreTarget& target) {
  ASSIGN_OR_RETURN(auto there, connection.Query(kWhatIsThere));
  std::vector<std::string> names;
  for (const pg::Row row : there) names.push_back(row.Text("what"));
  if (target.has_ledger) {
    ASSIGN_OR_RETURN(pg::Result applied,
                     connection.Query("SELECT count(*) AS n FROM migration.applied_steps"));
    const auto steps = applied[0].Get<std::int64_t>("n");
    if (steps > 0) names.push_back(absl::StrFormat("%d applied steps", steps));
  }
  if (names.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "DATABASE_NOT_EMPTY",
               "the database holds " + absl::StrJoin(names, ", ") +
                   "; restore into an empty one, or with --replace, which drops what is there");
}

}  // namespace

std::string WithoutServersOwn(const std::string& list) {
  std::istringstream lines(list);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" ACL pg_catalog ") == std::string::npos) kept += line + "\n";
  }
  return kept;
}

bool IsOurs(const std::string& list) {
  return list.find(" TABLE migration ledger_version ") != std::string::npos;
}

std::vector<std::string> SchemasIn(const std::string& list) {
  constexpr std::string_view kMark = " SCHEMA - ";
  std::istringstream lines(list);
  std::vector<std::string> schemas;
  for (std::string line; std::getline(lines, line);) {
    // "6; 2615 16397 SCHEMA - analytics finance_owner", but not "... ACL - SCHEMA core ...".
    const std::size_t at = line.find(kMark);
    if (at == std::string::npos || line.starts_with(";")) continue;
    const std::string rest = line.substr(at + kMark.size());
    const std::string name = rest.substr(0, rest.rfind(' '));
    if (name != "public") schemas.push_back(name);
  }
  return schemas;
}

absl::Status RunIsUnderWay(const std::string& who) {
  return Error(absl::StatusCode::kFailedPrecondition, "RUN_IN_PROGRESS",
               "a run is under way (" + who + "); wait for its end, or `lockstep cancel` it");
}

absl::StatusOr<RestoreTarget> MayRestoreInto(pg::Connection& connection,
                                             const std::vector<std::string>& in_backup,
                                             bool replace) {
  RETURN_IF_ERROR(CheckRoles(connection));
  RestoreTarget target;
  ASSIGN_OR_RETURN(
      pg::Result ledger,
      connection.Query("SELECT to_regclass('migration.applied_steps') IS NOT NULL AS is_there"));
  target.has_ledger = ledger[0].Get<bool>("is_there");
  if (target.has_ledger) RETURN_IF_ERROR(CheckIdle(connection, target));
  if (!replace) RETURN_IF_ERROR(CheckEmpty(connection, target));
  std::vector<std::string> ours = in_backup;
  ours.emplace_back(kLedgerSchema);
  for (const std::string_view service : Services()) {
    for (const std::string_view schema : SchemasOf(service)) ours.emplace_back(schema);
  }
  ASSIGN_OR_RETURN(target.schemas,
                   Names(connection,
                         "SELECT nspname AS name FROM pg_namespace WHERE nspname = ANY ($1::text[])"
                         " OR nspname ~ '^migration_archive_[0-9]+$' ORDER BY 1",
                         ours, "name"));
  ASSIGN_OR_RETURN(const auto foreign,
                   Names(connection, kForeignDependents, target.schemas, "who"));
  if (foreign.empty()) return target;
  return Error(absl::StatusCode::kFailedPrecondition, "FOREIGN_DEPENDENTS",
               "these would go with what they use, and are in no schema that comes back: " +
                   absl::StrJoin(foreign, ", ") + "; drop them first and make them again after");
}

RestoreSql RestoreSqlFor(const RestoreTarget& target, const std::string& file,
                         const RestoreReport& report, const std::string& actor) {
  RestoreSql sql;
  sql.before =
      "BEGIN;\nSET LOCAL client_min_messages = warning;\nSET LOCAL lock_timeout = '30s';\n";
  if (target.has_ledger) {
    // From here on nobody can register.
    sql.before +=
        "LOCK TABLE migration.instances, migration.lease IN ACCESS EXCLUSIVE MODE;\n"
        "DO $check$ BEGIN IF EXISTS (SELECT FROM migration.instances WHERE expires_at >"
        " clock_timestamp()) OR EXISTS (SELECT FROM migration.lease WHERE expires_at >"
        " clock_timestamp()) THEN RAISE EXCEPTION 'an instance or a run began meanwhile';"
        " END IF; END $check$;\n";
  }
  for (const std::string& schema : target.schemas) {
    sql.before += "DROP SCHEMA " + pg::QuoteIdentifier(schema) + " CASCADE;\n";
  }
  const std::string run = QuoteLiteral(report.run_id);
  const nlohmann::json details = {{"file", file}, {"sha256", report.sha256}};
  sql.after = absl::StrFormat(
      "\nSET LOCAL standard_conforming_strings = on;\n"
      "DO $check$ BEGIN IF (SELECT max(version) FROM migration.ledger_version) > %d THEN"
      " RAISE EXCEPTION 'the backup was made by a newer program; use that one'; END IF;"
      " END $check$;\n"
      "DELETE FROM migration.instances;\nDELETE FROM migration.runner_sessions;\n"
      // Larger than every token that any runner of either database ever had.
      "UPDATE migration.lease SET token = greatest(token, %d) + 1, expires_at = '-infinity',"
      " holder = '00000000-0000-0000-0000-000000000000', actor = '', host = '', run_id = NULL,"
      " acquired_at = NULL, heartbeat_at = NULL;\n"
      "UPDATE migration.runs SET finished_at = clock_timestamp(),"
      " state = CASE kind WHEN 'backup' THEN 'succeeded' ELSE 'interrupted' END,"
      " error_reason = CASE kind WHEN 'backup' THEN '' ELSE 'PROCESS_GONE' END"
      " WHERE state IN ('waiting', 'running');\n"
      "INSERT INTO migration.runs (run_id, kind, target, state, actor, host, finished_at)"
      " VALUES (%s, 'restore', %s, 'succeeded', %s, %s, clock_timestamp());\n"
      "INSERT INTO migration.run_events (run_id, event_offset, at, kind, message, details)"
      " VALUES (%s, 1, clock_timestamp(), 'database_restored', %s, %s);\nCOMMIT;\n",
      LedgerVersion(), target.lease_token, run, QuoteLiteral(file), QuoteLiteral(actor),
      QuoteLiteral(HostName()), run, QuoteLiteral("restored from " + file),
      QuoteLiteral(details.dump()));
  return sql;
}

}  // namespace lockstep::migration
