#include "services/migration/engine/run/step_intents.h"

#include "absl/strings/str_format.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

const char* DirectionText(Direction direction) {
  return direction == Direction::kUp ? "up" : "down";
}

}  // namespace

absl::StatusOr<Intents> LoadIntents(pg::Connection& connection, const Revision& revision,
                                    int ordinal, Direction direction) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT statement_number, statement FROM migration.step_intents"
                                    " WHERE revision = $1 AND ordinal = $2 AND direction = $3",
                                    revision.id, ordinal, DirectionText(direction)));
  Intents intents;
  for (const pg::Row row : rows) {
    intents[row.Get<std::int32_t>("statement_number")] = row.Text("statement");
  }
  return intents;
}

std::string AnnounceSql(const RunSession& session, const StepTask& task, int number,
                        const std::string& statement) {
  return absl::StrFormat(
      "INSERT INTO migration.step_intents (revision, ordinal, direction, statement_number,"
      " statement, token, run_id, backend_pid) VALUES (%s, %d, '%s', %d, %s, %d, %s,"
      " pg_backend_pid()) ON CONFLICT (revision, ordinal, direction, statement_number) DO UPDATE"
      " SET statement = excluded.statement, token = excluded.token, run_id = excluded.run_id,"
      " backend_pid = excluded.backend_pid, recorded_at = clock_timestamp();\n",
      QuoteLiteral(task.revision.id), task.step.ordinal, DirectionText(task.direction), number,
      QuoteLiteral(statement), session.key.token, session.sql.run);
}

std::string ForgetSql(const StepTask& task, Direction direction, int number) {
  return absl::StrFormat(
      "DELETE FROM migration.step_intents WHERE revision = %s AND ordinal = %d"
      " AND direction = '%s' AND statement_number = %d;\n",
      QuoteLiteral(task.revision.id), task.step.ordinal, DirectionText(direction), number);
}

std::string ForgetAllSql(const Revision& revision, int ordinal) {
  return absl::StrFormat(
      "DELETE FROM migration.step_intents WHERE revision = %s AND ordinal = %d;\n",
      QuoteLiteral(revision.id), ordinal);
}

std::string ForgetRevisionSql(const Revision& revision) {
  const std::string of_revision = " WHERE revision = " + QuoteLiteral(revision.id) + ";\n";
  return "DELETE FROM migration.step_intents" + of_revision + "DELETE FROM migration.backfills" +
         of_revision;
}

std::string RecordAnnouncedSql(const RunSession& session, const StepTask& task,
                               std::string_view duration_ms) {
  std::string sql;
  if (task.direction == Direction::kDown) {
    sql += RecordUndoSql(session.sql, task.revision, task.step, duration_ms);
  } else {
    sql += task.is_half_undone
               ? RecordAgainSql(session.sql, task.revision, task.step)
               : MendedSql(session, task) +
                     RecordStepSql(session.sql, task.revision, task.step, duration_ms);
    if (task.is_last) sql += RecordRevisionSql(session.sql, task.revision);
  }
  return sql + ForgetAllSql(task.revision, task.step.ordinal);
}

}  // namespace lockstep::migration
