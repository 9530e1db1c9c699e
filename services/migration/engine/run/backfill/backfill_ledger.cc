#include "services/migration/engine/run/backfill/backfill_ledger.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/backfill.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

std::string KeyJson(const KeyValues& key) {
  return QuoteLiteral(nlohmann::json(key).dump()) + "::jsonb";
}

KeyValues ReadKeyJson(const std::string& text) {
  return nlohmann::json::parse(text).get<KeyValues>();
}

// "revision = '...' AND ordinal = 2"
std::string OfStep(const std::string& revision, int ordinal) {
  return absl::StrFormat("revision = %s AND ordinal = %d", QuoteLiteral(revision), ordinal);
}
std::string OfStep(const StepTask& task) { return OfStep(task.revision.id, task.step.ordinal); }

absl::StatusOr<std::vector<Chunk>> Load(pg::Connection& connection, const std::string& condition) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT chunk, lo::text AS lo, hi::text AS hi, next::text AS "
                                    "next FROM migration.backfill_chunks WHERE " +
                                    condition + " ORDER BY chunk"));
  std::vector<Chunk> chunks;
  for (const pg::Row row : rows) {
    Chunk chunk{.number = row.Get<std::int32_t>("chunk"),
                .range = {ReadKeyJson(row.Text("lo")), ReadKeyJson(row.Text("hi"))},
                .next = std::nullopt};
    if (const auto next = row.OptionalText("next"); next.has_value()) {
      chunk.next = ReadKeyJson(*next);
    }
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

}  // namespace

absl::StatusOr<std::optional<BackfillRecord>> LoadBackfillRecord(pg::Connection& connection,
                                                                 const std::string& revision,
                                                                 int ordinal) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT b.checksum, b.undo_sql, b.is_frozen, b.rows_estimated, b.batch_rows,"
          " coalesce((SELECT sum(c.rows_walked) FROM migration.backfill_chunks AS c"
          " WHERE c.revision = b.revision AND c.ordinal = b.ordinal), 0)::bigint"
          " AS rows_walked FROM migration.backfills AS b WHERE b." +
          absl::StrFormat("revision = %s AND b.ordinal = %d", QuoteLiteral(revision), ordinal)));
  if (rows.empty()) return std::nullopt;
  return BackfillRecord{.checksum = rows[0].Text("checksum"),
                        .undo_sql = rows[0].Text("undo_sql"),
                        .is_frozen = rows[0].Get<bool>("is_frozen"),
                        .rows_estimated = rows[0].Get<std::int64_t>("rows_estimated"),
                        .rows_walked = rows[0].Get<std::int64_t>("rows_walked"),
                        .batch_rows = rows[0].Get<std::int32_t>("batch_rows")};
}

absl::StatusOr<std::vector<Chunk>> LoadOpenChunks(pg::Connection& connection,
                                                  const std::string& revision, int ordinal) {
  return Load(connection, OfStep(revision, ordinal) + " AND next IS NOT NULL");
}

absl::StatusOr<std::vector<Chunk>> LoadChunks(pg::Connection& connection,
                                              const std::string& revision, int ordinal) {
  return Load(connection, OfStep(revision, ordinal));
}

std::string BeginBackfillSql(const RunSession& session, const StepTask& task,
                             std::int64_t rows_estimated) {
  return absl::StrFormat(
      "INSERT INTO migration.backfills (revision, ordinal, service, name, table_name, checksum,"
      " undo_sql, state, rows_estimated, batch_rows, run_id) VALUES (%s, %d, %s, %s, %s, %s, %s,"
      " 'running', %d, %d, %s);\n",
      QuoteLiteral(task.revision.id), task.step.ordinal, QuoteLiteral(task.revision.service),
      QuoteLiteral(task.step.name), QuoteLiteral(task.step.backfill.table),
      QuoteLiteral(task.step.checksum), QuoteLiteral(DropSyncSql(task.step.backfill)),
      rows_estimated, task.step.backfill.start_rows, session.sql.run);
}

std::string FreezeSql(const StepTask& task, const std::vector<KeyRange>& ranges) {
  std::string sql;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const std::string lo = KeyJson(ranges[i].lo);
    absl::StrAppend(&sql,
                    "INSERT INTO migration.backfill_chunks (revision, ordinal, chunk, lo, hi, next)"
                    " VALUES (",
                    QuoteLiteral(task.revision.id), ", ", task.step.ordinal, ", ", i + 1, ", ", lo,
                    ", ", KeyJson(ranges[i].hi), ", ", lo, ");\n");
  }
  return sql + "UPDATE migration.backfills SET is_frozen = true WHERE " + OfStep(task) + ";\n";
}

std::string MoveOnSql(const StepTask& task, const Chunk& chunk, const NextBatch& batch,
                      std::int64_t rows_changed) {
  return absl::StrFormat(
      "UPDATE migration.backfill_chunks SET next = %s, rows_walked = rows_walked + %d,"
      " rows_changed = rows_changed + %d, batches = batches + %d WHERE %s AND chunk = %d AND next ="
      " %s;\n",
      batch.next.has_value() ? KeyJson(*batch.next) : "NULL", batch.rows, rows_changed,
      batch.rows > 0 ? 1 : 0, OfStep(task), chunk.number, KeyJson(*chunk.next));
}

std::string WalkAgainSql(const StepTask& task, const Chunk& chunk) {
  return absl::StrFormat(
      "UPDATE migration.backfill_chunks SET next = lo, rows_walked = 0, rows_changed = 0, batches "
      "= 0"
      " WHERE %s AND chunk = %d;\n",
      OfStep(task), chunk.number);
}

std::string TakeUpSql(const RunSession& session, const StepTask& task) {
  return "UPDATE migration.backfills SET run_id = " + session.sql.run +
         ", state = 'running', reason = '', updated_at = clock_timestamp() WHERE " + OfStep(task) +
         ";\n";
}

std::string FinishBackfillSql(const StepTask& task) {
  return "UPDATE migration.backfills SET state = 'finished', reason = '', seconds_left = 0,"
         " updated_at = clock_timestamp(), finished_at = clock_timestamp() WHERE " +
         OfStep(task) + ";\n";
}

std::string ForgetBackfillSql(const std::string& revision, int ordinal) {
  return "DELETE FROM migration.backfills WHERE " + OfStep(revision, ordinal) + ";\n";
}

std::string StateSql(const StepTask& task, const BackfillState& state) {
  return absl::StrFormat(
      "UPDATE migration.backfills SET state = '%s', reason = %s, batch_rows = %d,"
      " rows_per_second = %d, seconds_left = %s, held_ms = %s::jsonb,"
      " updated_at = clock_timestamp() WHERE %s;\n",
      state.state, QuoteLiteral(state.reason), state.batch_rows, state.rows_per_second,
      state.seconds_left.has_value() ? std::to_string(*state.seconds_left) : "NULL",
      QuoteLiteral(nlohmann::json(state.held_ms).dump()), OfStep(task));
}

absl::StatusOr<RunControl> LoadControl(pg::Connection& connection, const std::string& run_id) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT control, rows_per_second FROM migration.runs WHERE run_id = $1",
                       run_id));
  RunControl control{.wish = "run"};
  if (rows.empty()) return control;
  control.wish = rows[0].Text("control");
  control.rows_per_second = rows[0].Get<std::int32_t>("rows_per_second");
  return control;
}

}  // namespace lockstep::migration
