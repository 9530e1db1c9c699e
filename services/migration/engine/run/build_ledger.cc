#include "services/migration/engine/run/build_ledger.h"

#include <algorithm>
#include <utility>

#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/plan_check.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

constexpr std::size_t kLongestReason = 1000;

std::string TextOf(const nlohmann::json& object, const char* member) {
  const auto at = object.find(member);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

constexpr char kSelectBuilds[] =
    "SELECT b.service, b.build, b.manifest::text AS manifest, b.first_seen_at, b.last_seen_at,"
    "       b.kept_at, b.kept_by, b.kept_reason,"
    "       (SELECT count(*) FROM migration.builds_in_use AS u WHERE u.instance_id <> ''"
    "           AND u.service = b.service AND u.build = b.build) AS live"
    "  FROM migration.builds AS b";

BuildInfo BuildFromRow(const pg::Row& row) {
  BuildInfo info;
  info.manifest = ManifestFromJson(row.Text("manifest"));
  info.manifest.service = row.Text("service");
  info.manifest.build = row.Text("build");
  info.first_seen_at = row.Get<absl::Time>("first_seen_at");
  info.last_seen_at = row.Get<absl::Time>("last_seen_at");
  info.live_instances = static_cast<int>(row.Get<std::int64_t>("live"));
  info.kept_at = row.Optional<absl::Time>("kept_at");
  info.kept_by = row.Text("kept_by");
  info.kept_reason = row.Text("kept_reason");
  return info;
}

// What an instance that sent no manifest says about its own service.
void AddOwnUse(const pg::Row& row, BuildManifest& manifest) {
  const auto is_own = [&](const SchemaUse& use) { return use.service == manifest.service; };
  if (std::any_of(manifest.uses.begin(), manifest.uses.end(), is_own)) return;
  const SchemaUse own{.service = manifest.service,
                      .required_revision = row.Text("required_revision"),
                      .built_for = row.Text("built_for")};
  if (own.required_revision.empty() && own.built_for.empty()) return;
  manifest.uses.push_back(own);
}

}  // namespace

std::string ManifestJson(const BuildManifest& manifest) {
  nlohmann::json json = {{"uses", nlohmann::json::array()}, {"footprint", manifest.footprint}};
  for (const SchemaUse& use : manifest.uses) {
    json["uses"].push_back({{"service", use.service},
                            {"required_revision", use.required_revision},
                            {"built_for", use.built_for}});
  }
  return JsonText(json);
}

BuildManifest ManifestFromJson(std::string_view json) {
  BuildManifest manifest;
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_object()) return manifest;
  if (const auto uses = parsed.find("uses"); uses != parsed.end() && uses->is_array()) {
    for (const auto& use : *uses) {
      manifest.uses.push_back({.service = TextOf(use, "service"),
                               .required_revision = TextOf(use, "required_revision"),
                               .built_for = TextOf(use, "built_for")});
    }
  }
  if (const auto names = parsed.find("footprint"); names != parsed.end() && names->is_array()) {
    for (const auto& name : *names) {
      if (name.is_string()) manifest.footprint.insert(name.get<std::string>());
    }
  }
  return manifest;
}

absl::StatusOr<std::vector<BuildInUse>> LoadBuildsInUse(pg::Connection& connection) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT service, build, instance_id, address, expires_at,"
                       " required_revision, built_for, manifest::text AS manifest, key, is_silent"
                       "  FROM migration.builds_in_use ORDER BY service, build, instance_id"));
  std::vector<BuildInUse> builds;
  for (const pg::Row row : rows) {
    BuildInUse build;
    build.manifest = ManifestFromJson(row.Text("manifest"));
    build.manifest.service = row.Text("service");
    build.manifest.build = row.Text("build");
    AddOwnUse(row, build.manifest);
    build.instance = row.Text("instance_id");
    build.address = row.Text("address");
    build.lease_ends = row.Optional<absl::Time>("expires_at");
    build.is_silent = row.Get<bool>("is_silent");
    build.key = row.Text("key");
    builds.push_back(std::move(build));
  }
  return builds;
}

absl::StatusOr<std::vector<BuildManifest>> LoadManifests(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const std::vector<BuildInfo> builds, LoadBuilds(connection));
  std::vector<BuildManifest> manifests;
  for (const BuildInfo& build : builds) manifests.push_back(build.manifest);
  return manifests;
}

absl::StatusOr<std::vector<BuildInfo>> LoadBuilds(pg::Connection& connection) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(std::string(kSelectBuilds) +
                                    " ORDER BY b.service, string_to_array(b.build, '.'), b.build"));
  std::vector<BuildInfo> builds;
  for (const pg::Row row : rows) builds.push_back(BuildFromRow(row));
  return builds;
}

absl::StatusOr<BuildInfo> MarkBuild(pg::Connection& connection, const EngineOptions& options,
                                    std::string_view service, std::string_view build,
                                    std::string_view reason) {
  if (!IsService(service)) return UnknownService("service");
  if (reason.size() > kLongestReason) {
    return InvalidField("reason", "REASON_TOO_LONG", "at most 1,000 bytes");
  }
  // A CONTRACT that is about to run sees the mark, or is over when it is made.
  std::string sql = "BEGIN;\n";
  for (const std::string_view owner : Services()) {
    sql += "SELECT pg_advisory_xact_lock_shared(migration.contract_lock(" +
           pg::QuoteLiteral(owner) + "));\n";
  }
  const std::string is_it = " WHERE b.service = " + pg::QuoteLiteral(service) +
                            " AND b.build = " + pg::QuoteLiteral(build);
  if (reason.empty()) {
    sql += "UPDATE migration.builds AS b SET kept_at = NULL, kept_by = '', kept_reason = ''" +
           is_it + ";\n";
  } else {
    sql += "UPDATE migration.builds AS b SET kept_at = clock_timestamp(), kept_by = " +
           pg::QuoteLiteral(ActorOf(options)) + ", kept_reason = " + pg::QuoteLiteral(reason) +
           is_it + ";\n";
  }
  sql += kSelectBuilds + is_it + ";\nCOMMIT;";
  ASSIGN_OR_RETURN(const auto results, RunScript(connection, sql));
  const pg::Result& found = results[results.size() - 2];
  if (!found.empty()) return BuildFromRow(found[0]);
  return Error(absl::StatusCode::kNotFound, "BUILD_UNKNOWN",
               "no instance of " + std::string(service) + " " + std::string(build) +
                   " ever registered; `lockstep builds` lists those that did")
      .With("service", service)
      .With("build", build);
}

absl::Status CheckBuilds(pg::Connection& connection, const Graph& graph, const Plan& plan,
                         std::vector<Violation>& found) {
  ASSIGN_OR_RETURN(const std::vector<BuildInUse> builds, LoadBuildsInUse(connection));
  if (builds.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const UndoScripts undos, LoadUndos(connection, graph, plan));
  found = Compatibility(graph, builds).OfPlan(plan, undos);
  std::string list;
  const Violation* first = nullptr;
  for (const Violation& violation : found) {
    if (violation.is_gate || violation.is_required) continue;
    if (first == nullptr) first = &violation;
    list += "\n  " + violation.text();
  }
  if (first == nullptr) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "INCOMPATIBLE_BUILD",
               "the plan breaks builds that are in use:" + list)
      .With("instance", std::string_view(first->instance))
      .With("service", std::string_view(first->service))
      .With("build", std::string_view(first->build))
      .With("schema_owner", std::string_view(first->owner))
      .With("revision", std::string_view(first->revision))
      .With("object", std::string_view(first->object));
}

}  // namespace lockstep::migration
