#include "services/migration/engine/run/soak_use.h"

#include <algorithm>

#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/standby_spacing.h"

namespace lockstep::migration {

absl::StatusOr<nlohmann::json> CountUse(pg::Connection& connection,
                                        const std::vector<std::string>& tables) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT extract(epoch FROM pg_postmaster_start_time())::text AS started,"
          "       (SELECT timeline_id FROM pg_control_checkpoint())::text AS timeline,"
          "       coalesce((SELECT extract(epoch FROM stats_reset)::text FROM pg_stat_database"
          "                  WHERE datname = current_database()), '') AS stats_reset,"
          "       (SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd"
          "               + n_tup_del), 0)::text FROM pg_stat_all_tables"
          "         WHERE schemaname || '.' || relname = ANY ($1::text[])) AS uses,"
          "       to_json(ARRAY(SELECT DISTINCT coalesce(r.usename, '') || '@' || "
          "coalesce(host(r.client_addr),"
          "                                     'local') || '/' || r.application_name"
          "                       FROM pg_stat_replication AS r"
          "                      WHERE r.state IN ('catchup', 'streaming')"
          // A base backup replays nothing, nor does an archive of WAL.
          "                        AND r.replay_lsn IS NOT NULL AND " +
              std::string(kIsPhysical) + " ORDER BY 1))::text AS standbys",
          pg::ArrayLiteral(tables)));
  return nlohmann::json{
      {"postmaster_start", rows[0].Text("started")},
      {"timeline", rows[0].Text("timeline")},
      {"stats_reset", rows[0].Text("stats_reset")},
      {"uses", rows[0].Text("uses")},
      {"standbys", nlohmann::json::parse(rows[0].Text("standbys"), nullptr, false)}};
}

std::string Disturbance(const nlohmann::json& before, const nlohmann::json& now, bool ours_used) {
  const auto differs = [&](const char* what) {
    return before.value(what, "") != now.value(what, "");
  };
  if (differs("postmaster_start")) return "the server was restarted";
  if (differs("timeline")) return "the server's timeline changed";
  if (differs("stats_reset")) return "the statistics were reset";
  // A soak that an older build began knows of none.
  const nlohmann::json known = before.value("standbys", now.at("standbys"));
  for (const nlohmann::json& standby : now.at("standbys")) {
    if (std::ranges::find(known, standby) != known.end()) continue;
    return "standby " + standby.get<std::string>() + " has come, where reads are not counted";
  }
  return differs("uses") && !ours_used ? "somebody used what goes" : "";
}

void KeepStandbys(const nlohmann::json& before, nlohmann::json& now) {
  nlohmann::json& standbys = now.at("standbys");
  for (const nlohmann::json& known : before.value("standbys", nlohmann::json::array())) {
    if (std::ranges::find(standbys, known) == standbys.end()) standbys.push_back(known);
  }
  std::sort(standbys.begin(), standbys.end());
}

}  // namespace lockstep::migration
