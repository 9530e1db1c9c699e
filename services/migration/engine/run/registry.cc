#include "services/migration/engine/run/registry.h"

#include <set>
#include <string>

#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/build_ledger.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

constexpr char kColumns[] =
    "instance_id, service, build, required_revision, built_for, address, registered_at, "
    "heartbeat_at, expires_at, manifest::text AS manifest,"
    " expires_at > clock_timestamp()"
    "   AND coalesce(system_identifier = migration.system_identifier(), true) AS is_live,"
    " NOT EXISTS (SELECT FROM (SELECT required_revision AS revision UNION"
    "     SELECT u.value ->> 'required_revision'"
    "       FROM jsonb_array_elements(coalesce(manifest -> 'uses', '[]')) AS u(value)) AS needed"
    "   WHERE needed.revision <> '' AND NOT EXISTS (SELECT FROM migration.applied_revisions AS r"
    "                                                WHERE r.revision = needed.revision))"
    "   AS is_ready";

Instance InstanceFromRow(const pg::Row& row) {
  Instance instance;
  instance.id = row.Text("instance_id");
  instance.service = row.Text("service");
  instance.build = row.Text("build");
  instance.required_revision = row.Text("required_revision");
  instance.built_for = row.Text("built_for");
  instance.address = row.Text("address");
  instance.registered_at = row.Get<absl::Time>("registered_at");
  instance.heartbeat_at = row.Get<absl::Time>("heartbeat_at");
  instance.expires_at = row.Get<absl::Time>("expires_at");
  instance.is_live = row.Get<bool>("is_live");
  instance.is_ready = row.Get<bool>("is_ready");
  instance.uses = ManifestFromJson(row.Text("manifest")).uses;
  return instance;
}

absl::Status CheckTtl(absl::Duration ttl) {
  if (ttl >= absl::Seconds(1) && ttl <= absl::Hours(1)) return absl::OkStatus();
  return InvalidField("ttl", "TTL_OUT_OF_RANGE",
                      "an instance's lease lasts one second to one hour");
}

// Locks what an undo or a contract would change for this instance, then reads what is applied,
// steps of half-applied revisions included.
std::string LockSql(const RegisterOptions& options) {
  std::set<std::string> required = {options.required_revision};
  std::set<std::string> owners = {options.service};
  for (const SchemaUse& use : options.manifest.uses) {
    required.insert(use.required_revision);
    owners.insert(use.service);
  }
  for (const std::string& name : options.manifest.footprint) {
    const std::string_view owner = OwnerOf(name.substr(0, name.find('.')));
    if (!owner.empty()) owners.insert(std::string(owner));
  }
  std::string sql;
  for (const std::string& owner : owners) {
    sql += "SELECT pg_advisory_xact_lock_shared(migration.contract_lock(" +
           pg::QuoteLiteral(owner) + "));\n";
  }
  return sql +
         "SELECT FROM (SELECT revision FROM migration.applied_revisions WHERE revision = ANY (" +
         TextArraySql({required.begin(), required.end()}) +
         ") ORDER BY revision FOR KEY SHARE) AS held;\n"
         "SELECT DISTINCT revision FROM migration.applied_steps UNION"
         " SELECT revision FROM migration.applied_revisions ORDER BY revision;";
}

std::string StoreSql(const RegisterOptions& options) {
  const std::string manifest = pg::QuoteLiteral(ManifestJson(options.manifest));
  return absl::StrFormat(
      "INSERT INTO migration.instances (instance_id, service, build, required_revision, "
      "built_for, address, ttl, expires_at, manifest, system_identifier) VALUES (%s, %s, %s, %s, "
      "%s, %s, %d * interval '1 millisecond', clock_timestamp() + %d * interval '1 millisecond', "
      "%s, migration.system_identifier())"
      " ON CONFLICT (instance_id) DO UPDATE SET service = excluded.service, build = "
      "excluded.build,"
      " required_revision = excluded.required_revision, built_for = excluded.built_for,"
      " address = excluded.address, registered_at = clock_timestamp(), heartbeat_at = "
      "clock_timestamp(), ttl = excluded.ttl, expires_at = excluded.expires_at, manifest = "
      "excluded.manifest,"
      " system_identifier = excluded.system_identifier;\n"
      "INSERT INTO migration.builds AS b (service, build, manifest) VALUES (%s, %s, %s)"
      " ON CONFLICT (service, build) DO UPDATE SET last_seen_at = clock_timestamp(),"
      // What was kept as a way back stays what it was.
      " manifest = CASE WHEN b.kept_at IS NULL THEN excluded.manifest ELSE b.manifest END;\n"
      "SELECT %s FROM migration.instances WHERE instance_id = %s;\nCOMMIT;",
      pg::QuoteLiteral(options.id), pg::QuoteLiteral(options.service),
      pg::QuoteLiteral(options.build), pg::QuoteLiteral(options.required_revision),
      pg::QuoteLiteral(options.built_for), pg::QuoteLiteral(options.address),
      absl::ToInt64Milliseconds(options.ttl), absl::ToInt64Milliseconds(options.ttl), manifest,
      pg::QuoteLiteral(options.service), pg::QuoteLiteral(options.build), manifest, kColumns,
      pg::QuoteLiteral(options.id));
}

}  // namespace

absl::StatusOr<Instance> RegisterInstance(pg::Connection& connection,
                                          const RegisterOptions& options, const MayServe& may) {
  if (options.id.empty() || options.id.size() > 100) {
    return InvalidField("instance.id", "INSTANCE_ID_INVALID",
                        "an instance id has 1 to 100 characters");
  }
  if (!IsService(options.service)) return UnknownService("instance.service");
  RETURN_IF_ERROR(CheckTtl(options.ttl));
  ASSIGN_OR_RETURN(const auto locked, RunScript(connection, "BEGIN;\n" + LockSql(options)));
  std::vector<std::string> applied;
  for (const pg::Row row : locked.back()) applied.push_back(row.Text("revision"));
  const absl::Status allowed = may(applied);
  if (!allowed.ok()) {
    RETURN_IF_ERROR(connection.Script("ROLLBACK").status());
    return allowed;
  }
  ASSIGN_OR_RETURN(const auto results, RunScript(connection, StoreSql(options)));
  return InstanceFromRow(results[results.size() - 2][0]);
}

absl::StatusOr<Instance> RenewInstance(pg::Connection& connection, std::string_view id,
                                       absl::Duration ttl) {
  RETURN_IF_ERROR(CheckTtl(ttl));
  // An expired lease is not renewed: an undo may have started since, so the instance has to
  // register again.
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          std::string("UPDATE migration.instances SET heartbeat_at = clock_timestamp(),"
                      " ttl = $2 * interval '1 millisecond',"
                      " expires_at = clock_timestamp() + $2 * interval '1 millisecond'"
                      " WHERE instance_id = $1 AND expires_at > clock_timestamp()"
                      " AND coalesce(system_identifier = migration.system_identifier(), true)"
                      " RETURNING ") +
              kColumns,
          id, absl::ToInt64Milliseconds(ttl)));
  if (rows.empty()) {
    return Error(absl::StatusCode::kNotFound, "INSTANCE_UNKNOWN",
                 "no live instance has this id; register again")
        .With("instance", id);
  }
  return InstanceFromRow(rows[0]);
}

absl::Status RemoveInstance(pg::Connection& connection, std::string_view id) {
  return connection.Query("DELETE FROM migration.instances WHERE instance_id = $1", id).status();
}

absl::StatusOr<std::vector<Instance>> LoadInstances(pg::Connection& connection) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(std::string("SELECT ") + kColumns +
                                    " FROM migration.instances"
                                    " WHERE expires_at > clock_timestamp() - interval '1 day'"
                                    " ORDER BY service, instance_id"));
  std::vector<Instance> instances;
  for (const pg::Row row : rows) instances.push_back(InstanceFromRow(row));
  return instances;
}

}  // namespace lockstep::migration
