#include "services/migration/engine/run/bootstrap.h"

#include <string>
#include <string_view>

#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/step_sql.h"
#include "services/migration/engine/run/whereabouts.h"

namespace lockstep::migration {
namespace {

using pg::QuoteIdentifier;
using pg::QuoteLiteral;

absl::Status Failed(std::string_view what, const absl::Status& cause) {
  if (pg::SqlStateOf(cause) == "42501") {
    return Error(absl::StatusCode::kPermissionDenied, "DATABASE_PERMISSION_DENIED",
                 std::string(what) + ": " + DescribeDatabaseError(cause) +
                     "; bootstrap needs an administrator of the database");
  }
  return ScriptError("BOOTSTRAP_FAILED", what, cause);
}

class Bootstrapper {
 public:
  explicit Bootstrapper(pg::Connection& connection) : connection_(connection) {}

  absl::Status Run();
  BootstrapReport TakeReport() { return std::move(report_); }

 private:
  absl::StatusOr<bool> IsTrue(const std::string& condition);
  // Runs `sql` unless `condition` already holds, and says so.
  absl::Status Ensure(const std::string& condition, const std::string& sql,
                      const std::string& said);
  absl::Status EnsureRoles();
  absl::Status EnsureSchemas();
  absl::Status EnsureLedger();

  pg::Connection& connection_;
  BootstrapReport report_;
};

absl::StatusOr<bool> Bootstrapper::IsTrue(const std::string& condition) {
  ASSIGN_OR_RETURN(pg::Result result, connection_.Query("SELECT (" + condition + ") AS holds"));
  return result[0].Get<bool>("holds");
}

absl::Status Bootstrapper::Ensure(const std::string& condition, const std::string& sql,
                                  const std::string& said) {
  ASSIGN_OR_RETURN(const bool is_there, IsTrue(condition));
  if (is_there) return absl::OkStatus();
  const absl::Status done = connection_.Query(sql).status();
  if (!done.ok()) {
    // Roles belong to the whole cluster: the bootstrap of another database may be doing the same
    // right now.
    if (connection_.is_lost()) return done;
    ASSIGN_OR_RETURN(const bool is_there_now, IsTrue(condition));
    if (!is_there_now) return Failed(said, done);
    return absl::OkStatus();
  }
  report_.done.push_back(said);
  return absl::OkStatus();
}

absl::Status Bootstrapper::EnsureRoles() {
  const auto ensure_role = [&](const std::string& role, bool can_login) {
    return Ensure("EXISTS (SELECT FROM pg_roles WHERE rolname = " + QuoteLiteral(role) + ")",
                  "CREATE ROLE " + QuoteIdentifier(role) + (can_login ? " LOGIN" : " NOLOGIN"),
                  "created role " + role);
  };
  const auto ensure_membership = [&](const std::string& group) {
    // Retried, because PostgreSQL refuses two changes of one role's memberships at the same time.
    absl::Status status;
    for (int attempt = 0; attempt < 5; ++attempt) {
      status = Ensure(
          "EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid"
          " JOIN pg_roles r ON r.oid = m.member WHERE g.rolname = " +
              QuoteLiteral(group) + " AND r.rolname = " + QuoteLiteral(kMigratorRole) + ")",
          "GRANT " + QuoteIdentifier(group) + " TO " + QuoteIdentifier(kMigratorRole),
          std::string("made ") + kMigratorRole + " a member of " + group);
      if (status.ok()) break;
    }
    return status;
  };
  RETURN_IF_ERROR(ensure_role(kMigratorRole, true));
  for (const std::string_view service : Services()) {
    RETURN_IF_ERROR(ensure_role(OwnerRole(service), false));
    RETURN_IF_ERROR(ensure_role(std::string(service) + "_app", true));
    RETURN_IF_ERROR(ensure_membership(OwnerRole(service)));
  }
  // So that reports name the query and the program that hold a lock.
  const absl::Status sees = ensure_membership("pg_read_all_stats");
  if (!sees.ok()) {
    report_.done.push_back("could not let the migrator see other sessions' queries: " +
                           MessageOf(sees));
  }
  return absl::OkStatus();
}

absl::Status Bootstrapper::EnsureSchemas() {
  const auto ensure_schema = [&](const std::string& schema, const std::string& role) {
    return Ensure(
        "EXISTS (SELECT FROM pg_namespace WHERE nspname = " + QuoteLiteral(schema) + ")",
        "CREATE SCHEMA " + QuoteIdentifier(schema) + " AUTHORIZATION " + QuoteIdentifier(role),
        "created schema " + schema + " of " + role);
  };
  for (const std::string_view service : Services()) {
    for (const std::string_view schema : SchemasOf(service)) {
      RETURN_IF_ERROR(ensure_schema(std::string(schema), OwnerRole(service)));
    }
  }
  RETURN_IF_ERROR(ensure_schema(kLedgerSchema, kMigratorRole));
  ASSIGN_OR_RETURN(pg::Result database, connection_.Query("SELECT current_database() AS name"));
  const std::string name = database[0].Text("name");
  // Before contract steps a run names a restore point. A provider may keep that to itself.
  const absl::Status marks = Ensure(
      "has_function_privilege(" + QuoteLiteral(kMigratorRole) +
          ", 'pg_create_restore_point(text)', 'EXECUTE')",
      std::string("GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO ") + kMigratorRole,
      "let the migrator write restore points");
  if (!marks.ok()) {
    report_.done.push_back("could not let the migrator write restore points: " + MessageOf(marks));
  }
  // Archives of `downgrade --archive` live in schemas of their own.
  RETURN_IF_ERROR(Ensure(
      "has_database_privilege(" + QuoteLiteral(kMigratorRole) + ", current_database(), 'CREATE')",
      "GRANT CREATE ON DATABASE " + QuoteIdentifier(name) + " TO " + QuoteIdentifier(kMigratorRole),
      "let the migrator create schemas for archives"));
  // Since version 15 that is the default; before, every role could put objects where others find
  // them.
  return Ensure(
      "NOT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'public'"
      " AND a.grantee = 0 AND a.privilege_type = 'CREATE')",
      "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "closed schema public");
}

absl::Status Bootstrapper::EnsureLedger() {
  // One at a time; the lock ends with the transaction.
  RETURN_IF_ERROR(
      connection_
          .Script("BEGIN; SELECT pg_advisory_xact_lock(hashtext('lockstep bootstrap'));\n"
                  "SET LOCAL ROLE lockstep_migrator;")
          .status());
  ASSIGN_OR_RETURN(const bool has_ledger,
                   IsTrue("to_regclass('migration.ledger_version') IS NOT NULL"));
  int version = 0;
  if (has_ledger) {
    ASSIGN_OR_RETURN(
        pg::Result found,
        connection_.Query(
            "SELECT coalesce(max(version), 0) AS version FROM migration.ledger_version"));
    version = found[0].Get<std::int32_t>("version");
  }
  if (version > LedgerVersion()) {
    return Error(absl::StatusCode::kFailedPrecondition, "LEDGER_TOO_NEW",
                 "the ledger was made by a newer program; use that one")
        .With("ledger_version", version);
  }
  for (; version < LedgerVersion(); ++version) {
    const auto upgraded =
        connection_.Script(std::string(LedgerUpgrades()[static_cast<std::size_t>(version)]) +
                           "\nINSERT INTO migration.ledger_version (version) VALUES (" +
                           std::to_string(version + 1) + ");");
    if (!upgraded.ok()) return Failed("cannot build the ledger", upgraded.status());
    report_.done.push_back("brought the ledger to version " + std::to_string(version + 1));
  }
  report_.ledger_version = version;
  return connection_.Commit();
}

absl::Status Bootstrapper::Run() {
  if (connection_.server_version() < 140000) {
    return Error(absl::StatusCode::kFailedPrecondition, "SERVER_TOO_OLD",
                 "PostgreSQL 14 or newer is needed")
        .With("server_version", connection_.server_version());
  }
  ASSIGN_OR_RETURN(const Whereabouts where, LookAround(connection_));
  RETURN_IF_ERROR(where.refusal);
  RETURN_IF_ERROR(EnsureRoles());
  RETURN_IF_ERROR(EnsureSchemas());
  return EnsureLedger();
}

}  // namespace

absl::StatusOr<BootstrapReport> RunBootstrap(pg::Connection& administrator) {
  Bootstrapper bootstrapper(administrator);
  RETURN_IF_ERROR(bootstrapper.Run());
  return bootstrapper.TakeReport();
}

}  // namespace lockstep::migration
