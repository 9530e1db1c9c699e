#include "services/migration/engine/run/build_progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kBetweenNews = absl::Seconds(1);

constexpr char kProgress[] =
    "SELECT coalesce(p.command, '') AS command, coalesce(p.phase, '') AS phase,"
    "       coalesce(n.nspname || '.' || c.relname, '') AS table_name,"
    "       coalesce(p.blocks_done, 0) AS blocks_done, coalesce(p.blocks_total, 0) AS blocks_total,"
    "       coalesce(p.tuples_done, 0) AS tuples_done, coalesce(p.tuples_total, 0) AS tuples_total,"
    "       coalesce(p.lockers_done, 0) AS lockers_done,"
    "       coalesce(p.lockers_total, 0) AS lockers_total,"
    "       coalesce(p.current_locker_pid, 0)::integer AS current_locker_pid"
    "  FROM pg_stat_progress_create_index AS p"
    "  LEFT JOIN pg_class AS c ON c.oid = p.relid"
    "  LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE p.pid = $1";

constexpr char kOldest[] =
    "SELECT a.pid, coalesce(a.usename::text, '') AS usename, a.application_name,"
    "       coalesce(a.state, '') AS state, coalesce(left(a.query, 500), '') AS query,"
    "       coalesce(a.backend_type, '') AS backend_type, a.xact_start::text AS began,"
    "       (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint AS age_ms,"
    "       coalesce((extract(epoch FROM clock_timestamp() - a.state_change) * 1000)::bigint, 0)"
    "         AS in_state_ms"
    "  FROM pg_stat_activity AS a"
    " WHERE a.xact_start IS NOT NULL AND a.datname = current_database()"
    "   AND a.pid NOT IN ($1, pg_backend_pid())"
    " ORDER BY a.xact_start LIMIT 1";

}  // namespace

std::optional<int> BuildProgress::percent() const {
  const auto of = [](std::int64_t done, std::int64_t total) {
    return static_cast<int>(std::clamp<std::int64_t>(100 * done / total, 0, 100));
  };
  if (blocks_total > 0) return of(blocks_done, blocks_total);
  if (tuples_total > 0) return of(tuples_done, tuples_total);
  if (lockers_total > 0) return of(lockers_done, lockers_total);
  return std::nullopt;
}

std::string BuildProgress::text() const {
  std::string text = table + ": " + phase;
  if (blocks_total > 0) {
    text += absl::StrFormat(", %d of %d blocks", blocks_done, blocks_total);
  } else if (tuples_total > 0) {
    text += absl::StrFormat(", %d of %d tuples", tuples_done, tuples_total);
  } else if (lockers_total > 0) {
    text += absl::StrFormat(", %d of %d transactions", lockers_done, lockers_total);
  }
  if (const auto share = percent(); share.has_value()) text += absl::StrFormat(" (%d %%)", *share);
  if (current_locker_pid != 0) text += absl::StrFormat(", waits for pid %d", current_locker_pid);
  return text;
}

nlohmann::json BuildProgress::details() const {
  nlohmann::json details = {{"command", command},
                            {"phase", phase},
                            {"table", table},
                            {"blocks_done", blocks_done},
                            {"blocks_total", blocks_total},
                            {"tuples_done", tuples_done},
                            {"tuples_total", tuples_total},
                            {"lockers_done", lockers_done},
                            {"lockers_total", lockers_total}};
  if (current_locker_pid != 0) details["current_locker_pid"] = current_locker_pid;
  if (const auto share = percent(); share.has_value()) details["percent"] = *share;
  return details;
}

absl::StatusOr<std::optional<BuildProgress>> LoadBuildProgress(pg::Connection& connection,
                                                               int pid) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kProgress, pid));
  if (rows.empty()) return std::optional<BuildProgress>();
  const pg::Row row = rows[0];
  return std::optional<BuildProgress>(
      BuildProgress{.command = row.Text("command"),
                    .phase = row.Text("phase"),
                    .table = row.Text("table_name"),
                    .blocks_done = row.Get<std::int64_t>("blocks_done"),
                    .blocks_total = row.Get<std::int64_t>("blocks_total"),
                    .tuples_done = row.Get<std::int64_t>("tuples_done"),
                    .tuples_total = row.Get<std::int64_t>("tuples_total"),
                    .lockers_done = row.Get<std::int64_t>("lockers_done"),
                    .lockers_total = row.Get<std::int64_t>("lockers_total"),
                    .current_locker_pid = row.Get<std::int32_t>("current_locker_pid")});
}

absl::StatusOr<std::optional<LockHolder>> OldestTransaction(pg::Connection& connection, int pid) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kOldest, pid));
  if (rows.empty()) return std::optional<LockHolder>();
  const pg::Row row = rows[0];
  LockHolder oldest;
  oldest.pid = row.Get<std::int32_t>("pid");
  oldest.user = row.Text("usename");
  oldest.application = row.Text("application_name");
  oldest.state = row.Text("state");
  oldest.query = row.Text("query");
  oldest.began = row.Text("began");
  oldest.age = absl::Milliseconds(row.Get<std::int64_t>("age_ms"));
  const std::string backend_type = row.Text("backend_type");
  oldest.kind = KindOf({.backend_type = backend_type,
                        .application = oldest.application,
                        .state = oldest.state,
                        .query = oldest.query,
                        .in_state = absl::Milliseconds(row.Get<std::int64_t>("in_state_ms"))});
  return std::optional<LockHolder>(std::move(oldest));
}

BuildWatch::News BuildWatch::Look(const BuildProgress& now, absl::Time at,
                                  absl::Duration stall_after) {
  if (seen_ != now) {
    seen_ = now;
    changed_at_ = at;
    stall_told_at_ = at;
  }
  if (told_ != seen_ && at - told_at_ >= kBetweenNews) {
    told_ = seen_;
    told_at_ = at;
    return News::kProgress;
  }
  if (at - stall_told_at_ < stall_after) return News::kNothing;
  stall_told_at_ = at;
  return News::kStalled;
}

}  // namespace lockstep::migration
