#include "services/migration/engine/run/gate.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/build_ledger.h"

namespace lockstep::migration {
namespace {

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

// The roles whose sessions may use what the revision takes away: the owner's application, and those
// of all services of which a build that uses the owner's schemas was ever seen.
absl::StatusOr<std::vector<std::string>> RolesAt(pg::Connection& connection,
                                                 const std::string& owner) {
  std::set<std::string> roles = {owner + "_app"};
  ASSIGN_OR_RETURN(const std::vector<BuildManifest> seen, LoadManifests(connection));
  for (const BuildManifest& manifest : seen) {
    if (UsesSchemasOf(manifest, owner)) roles.insert(manifest.service + "_app");
  }
  return std::vector<std::string>(roles.begin(), roles.end());
}

absl::StatusOr<std::vector<Stranger>> FindStrangers(pg::Connection& connection,
                                                    const std::string& owner) {
  ASSIGN_OR_RETURN(const std::vector<std::string> roles, RolesAt(connection, owner));
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT a.pid, a.usename::text AS role, coalesce(a.application_name, '') AS name,"
          "       coalesce(host(a.client_addr), '') AS client, a.backend_start"
          "  FROM pg_stat_activity AS a"
          " WHERE a.datname = current_database() AND a.usename = ANY ($1::name[])"
          "   AND NOT EXISTS (SELECT FROM migration.builds_in_use AS b"
          "        WHERE b.instance_id <> '' AND b.service || '_app' = a.usename"
          "          AND left(encode(sha256(convert_to(b.instance_id, 'UTF8')), 'hex'), 12)"
          "            = regexp_replace(coalesce(a.application_name, ''), '^.* ', ''))"
          " ORDER BY a.pid",
          pg::ArrayLiteral(roles)));
  std::vector<Stranger> strangers;
  for (const pg::Row row : rows) {
    strangers.push_back({.pid = row.Get<std::int32_t>("pid"),
                         .role = row.Text("role"),
                         .application_name = row.Text("name"),
                         .client = row.Text("client"),
                         .connected_at = row.Optional<absl::Time>("backend_start")});
  }
  return strangers;
}

}  // namespace

std::string Stranger::text() const {
  return "session " + std::to_string(pid) + " of " + role +
         (application_name.empty() ? "" : " (" + application_name + ")") +
         (client.empty() ? "" : " from " + client) +
         " belongs to no live instance; let its program register, or end it";
}

std::vector<std::string> GateState::lines() const {
  std::vector<std::string> found;
  for (const Violation& violation : violations) {
    found.push_back(
        violation.text() +
        (violation.until.has_value()
             ? " (its lease lives until " + TimeText(*violation.until) + " unless it is renewed)"
             : ""));
  }
  for (const Stranger& stranger : strangers) found.push_back(stranger.text());
  return found;
}

nlohmann::json GateState::ToJson() const {
  nlohmann::json json = {{"blockers", nlohmann::json::array()},
                         {"sessions", nlohmann::json::array()},
                         {"builds", nlohmann::json::array()}};
  for (const Violation& v : violations) {
    json["blockers"].push_back({{"instance", v.instance},
                                {"service", v.service},
                                {"build", v.build},
                                {"owner", v.owner},
                                {"revision", v.revision},
                                {"object", v.object},
                                {"why", v.why},
                                {"remedy", v.remedy},
                                {"until", v.until.has_value() ? TimeText(*v.until) : ""}});
  }
  for (const Stranger& s : strangers) {
    json["sessions"].push_back({{"pid", s.pid},
                                {"role", s.role},
                                {"application_name", s.application_name},
                                {"client", s.client}});
  }
  for (const BuildInUse& build : builds) {
    nlohmann::json uses = nlohmann::json::array();
    for (const SchemaUse& use : build.manifest.uses) {
      uses.push_back({{"service", use.service},
                      {"required_revision", use.required_revision},
                      {"built_for", use.built_for}});
    }
    json["builds"].push_back({{"service", build.manifest.service},
                              {"build", build.manifest.build},
                              {"instance", build.instance},
                              {"uses", std::move(uses)}});
  }
  return json;
}

absl::StatusOr<GateState> LookAtGate(pg::Connection& connection, const Graph& graph,
                                     std::size_t position) {
  GateState state;
  // Sessions first: one whose instance registers in between is then a stranger, not overlooked.
  ASSIGN_OR_RETURN(state.strangers, FindStrangers(connection, graph.at(position).service));
  ASSIGN_OR_RETURN(state.builds, LoadBuildsInUse(connection));
  // And once more: one whose lease ended in between belongs to nobody who was looked at.
  ASSIGN_OR_RETURN(std::vector<Stranger> again,
                   FindStrangers(connection, graph.at(position).service));
  for (Stranger& stranger : again) {
    const bool is_known =
        std::any_of(state.strangers.begin(), state.strangers.end(),
                    [&](const Stranger& known) { return known.pid == stranger.pid; });
    if (!is_known) state.strangers.push_back(std::move(stranger));
  }
  for (const BuildInUse& build : state.builds) state.known.push_back(build.key);
  state.violations = Compatibility(graph, state.builds).OfContract(position);
  return state;
}

}  // namespace lockstep::migration
