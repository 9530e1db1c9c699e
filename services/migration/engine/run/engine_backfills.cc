#include <memory>
#include <string>
#include <utility>

#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

// What the ledger says last of a backfill whose run went away is not true any more.
constexpr char kBackfills[] = R"sql(
SELECT b.revision, b.service, b.ordinal, b.name, b.table_name, b.reason, b.rows_estimated,
       b.batch_rows, b.seconds_left, b.held_ms::text AS held_ms, b.run_id, b.started_at,
       b.updated_at, b.finished_at, c.rows_done, c.rows_changed, c.batches,
       CASE WHEN b.finished_at IS NOT NULL OR w.is_at_work THEN b.state ELSE 'interrupted' END
         AS state,
       CASE WHEN b.finished_at IS NULL AND w.is_at_work THEN b.rows_per_second ELSE 0 END
         AS rows_per_second
  FROM migration.backfills AS b
 CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM migration.lease AS l WHERE l.run_id = b.run_id
                                       AND l.expires_at > clock_timestamp()) AS is_at_work) AS w
 CROSS JOIN LATERAL (SELECT coalesce(sum(k.rows_walked), 0)::bigint AS rows_done,
                            coalesce(sum(k.rows_changed), 0)::bigint AS rows_changed,
                            coalesce(sum(k.batches), 0)::bigint AS batches
                       FROM migration.backfill_chunks AS k
                      WHERE k.revision = b.revision AND k.ordinal = b.ordinal) AS c
 ORDER BY b.started_at DESC, b.revision, b.ordinal LIMIT $1
)sql";

BackfillInfo InfoOf(const pg::Row& row) {
  BackfillInfo info;
  info.revision = row.Text("revision");
  info.service = row.Text("service");
  info.step = row.Get<std::int32_t>("ordinal");
  info.step_name = row.Text("name");
  info.table = row.Text("table_name");
  info.state = row.Text("state");
  info.reason = info.state == "interrupted" ? "its run is over; an upgrade goes on with it"
                                            : row.Text("reason");
  info.rows_estimated = row.Get<std::int64_t>("rows_estimated");
  info.rows_done = row.Get<std::int64_t>("rows_done");
  info.rows_changed = row.Get<std::int64_t>("rows_changed");
  info.batches = row.Get<std::int64_t>("batches");
  info.batch_rows = row.Get<std::int32_t>("batch_rows");
  info.rows_per_second = row.Get<std::int64_t>("rows_per_second");
  info.seconds_left = row.Optional<std::int64_t>("seconds_left");
  info.held_ms =
      nlohmann::json::parse(row.Text("held_ms")).get<std::map<std::string, std::int64_t>>();
  info.run_id = row.Text("run_id");
  info.started_at = row.Get<absl::Time>("started_at");
  info.updated_at = row.Get<absl::Time>("updated_at");
  info.finished_at = row.Optional<absl::Time>("finished_at");
  return info;
}

// Sets what a run that works is asked for.
absl::StatusOr<RunInfo> Ask(pg::Connection& connection, std::string_view run_id,
                            const std::string& assignment, const pg::Param& value) {
  ASSIGN_OR_RETURN(const RunInfo run, LoadRun(connection, run_id));
  ASSIGN_OR_RETURN(pg::Result asked,
                   // Who asked it to stop is not overruled by who resumes it.
                   connection.QueryList("UPDATE migration.runs SET " + assignment +
                                            " = $2 WHERE run_id = $1 AND state IN ('waiting', "
                                            "'running') AND control <> 'cancel'",
                                        {pg::Param(run.id), value}));
  if (asked.affected() == 1) return LoadRun(connection, run.id);
  return Error(absl::StatusCode::kFailedPrecondition, "RUN_NOT_ACTIVE",
               "run " + run.id + " is over or was asked to stop (" +
                   std::string(ToText(run.state)) + ")")
      .With("run", std::string_view(run.id));
}

}  // namespace

absl::StatusOr<std::vector<BackfillInfo>> LoadBackfills(pg::Connection& connection, int limit) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kBackfills, limit));
  std::vector<BackfillInfo> backfills;
  for (const pg::Row row : rows) backfills.push_back(InfoOf(row));
  return backfills;
}

absl::StatusOr<std::vector<BackfillInfo>> Engine::ListBackfills(const Context& context,
                                                                int limit) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return LoadBackfills(*connection, limit);
}

absl::StatusOr<RunInfo> Engine::ControlRun(const Context& context, std::string_view run_id,
                                           std::string_view wish) {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return Ask(*connection, run_id, "control", wish);
}

absl::StatusOr<RunInfo> Engine::LimitRun(const Context& context, std::string_view run_id,
                                         int rows_per_second) {
  if (rows_per_second < 0) {
    return InvalidField("rows_per_second", "OUT_OF_RANGE", "must be 0 or more; 0 is no limit");
  }
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return Ask(*connection, run_id, "rows_per_second", rows_per_second);
}

}  // namespace lockstep::migration
