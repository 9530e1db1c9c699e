#include "services/migration/engine/run/registry.h"

#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

constexpr char kColumns[] =
    "instance_id, service, build, required_revision, built_for, address, registered_at, "
    "heartbeat_at, expires_at,"
    " expires_at > clock_timestamp() AS is_live,"
    " required_revision = '' OR EXISTS (SELECT FROM migration.applied_revisions r WHERE r.revision "
    "= required_revision)"
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
  return instance;
}

absl::Status CheckTtl(absl::Duration ttl) {
  if (ttl >= absl::Seconds(1) && ttl <= absl::Hours(1)) return absl::OkStatus();
  return InvalidField("ttl", "TTL_OUT_OF_RANGE",
                      "an instance's lease lasts one second to one hour");
}

}  // namespace

absl::StatusOr<Instance> RegisterInstance(pg::Connection& connection,
                                          const RegisterOptions& options) {
  if (options.id.empty() || options.id.size() > 100) {
    return InvalidField("instance.id", "INSTANCE_ID_INVALID",
                        "an instance id has 1 to 100 characters");
  }
  if (!IsService(options.service)) return UnknownService("instance.service");
  RETURN_IF_ERROR(CheckTtl(options.ttl));
  ASSIGN_OR_RETURN(
      const auto results,
      RunScript(
          connection,
          absl::StrFormat(
              "BEGIN;\nSELECT FROM migration.applied_revisions WHERE revision = %s FOR KEY SHARE;\n"
              "INSERT INTO migration.instances (instance_id, service, build, required_revision, "
              "built_for, address, ttl,"
              " expires_at) VALUES (%s, %s, %s, %s, %s, %s, %d * interval '1 millisecond',"
              " clock_timestamp() + %d * interval '1 millisecond')"
              " ON CONFLICT (instance_id) DO UPDATE SET service = excluded.service, build = "
              "excluded.build,"
              " required_revision = excluded.required_revision, built_for = excluded.built_for,"
              " address = excluded.address, registered_at = clock_timestamp(), heartbeat_at = "
              "clock_timestamp(),"
              " ttl = excluded.ttl, expires_at = excluded.expires_at;\n"
              "SELECT %s FROM migration.instances WHERE instance_id = %s;\nCOMMIT;",
              pg::QuoteLiteral(options.required_revision), pg::QuoteLiteral(options.id),
              pg::QuoteLiteral(options.service), pg::QuoteLiteral(options.build),
              pg::QuoteLiteral(options.required_revision), pg::QuoteLiteral(options.built_for),
              pg::QuoteLiteral(options.address), absl::ToInt64Milliseconds(options.ttl),
              absl::ToInt64Milliseconds(options.ttl), kColumns, pg::QuoteLiteral(options.id))));
  return InstanceFromRow(results[3][0]);
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
                      " WHERE instance_id = $1 AND expires_at > clock_timestamp() RETURNING ") +
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
