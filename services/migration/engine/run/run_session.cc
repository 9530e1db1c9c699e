#include "services/migration/engine/run/run_session.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {

Happening StepTask::Event(std::string kind, std::string message) const {
  Happening happening;
  happening.kind = std::move(kind);
  happening.message = std::move(message);
  happening.revision = revision.id;
  happening.step = step.ordinal;
  happening.step_name = step.name;
  happening.details["direction"] = direction == Direction::kUp ? "up" : "down";
  return happening;
}

std::vector<Happening> StepTask::FinishedEvents() const {
  const bool is_up = direction == Direction::kUp;
  if (is_repeatable) return {Event("step_finished", text() + ": done")};
  std::vector<Happening> events = {
      Event("step_finished", text() + (is_up ? ": applied" : ": undone"))};
  if (is_last && is_up) {
    Happening finished = Event("revision_finished",
                               "revision " + revision.id + " (" + revision.title + ") is applied");
    finished.step = 0;
    finished.step_name.clear();
    events.push_back(std::move(finished));
  }
  return events;
}

std::string StepTask::text() const {
  if (is_repeatable) {
    return absl::StrFormat("%s %s (%s)", revision.service, revision.id, step.name);
  }
  return absl::StrFormat("%s %s step %d (%s) %s", revision.service, revision.id, step.ordinal,
                         step.name, direction == Direction::kUp ? "up" : "down");
}

absl::StatusOr<RelationNames> LoadRelationNames(pg::Connection& connection) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT n.nspname || '.' || c.relname AS name"
                                    "  FROM pg_class AS c"
                                    "  JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                                    " WHERE c.oid >= 16384 AND n.nspname <> 'migration'"
                                    "   AND n.nspname !~ '^pg_' AND c.relkind <> 'c'"));
  RelationNames names;
  for (const pg::Row row : rows) names.insert(row.Text("name"));
  return names;
}

absl::Status LoadWasThere(RunSession& session) {
  ASSIGN_OR_RETURN(session.was_there, LoadRelationNames(session.connection));
  return absl::OkStatus();
}

bool WasThere(const RunSession& session, std::string_view relation) {
  return !session.was_there.has_value() || session.was_there->contains(relation);
}

absl::Status MayGoOn(const RunSession& session) {
  RETURN_IF_ERROR(session.context.Check());
  if (session.attendant.is_cancelled()) {
    return Error(absl::StatusCode::kCancelled, "CANCELLED", "the run was asked to stop");
  }
  if (session.attendant.is_lease_lost()) {
    return Error(absl::StatusCode::kAborted, "LEASE_LOST",
                 "this runner could not renew its lease in time and stopped");
  }
  return absl::OkStatus();
}

absl::Status FlushEvents(RunSession& session) {
  const std::string events = session.journal.RecordSql();
  if (events.empty()) {
    session.journal.RolledBack();
    return absl::OkStatus();
  }
  const auto stored =
      RunScript(session.connection, "BEGIN;\n" + AssertLeaseSql(session.key) + events + "COMMIT;");
  if (!stored.ok()) {
    session.journal.RolledBack();
    return TranslateLedgerError(stored.status());
  }
  session.journal.Committed();
  return absl::OkStatus();
}

absl::Status RecordInLedger(RunSession& session, const std::string& what, const std::string& sql,
                            std::vector<Happening> tail) {
  if (!what.empty()) session.in_flight = InFlight{.text = what};
  const auto recorded =
      RunScript(session.connection, "BEGIN;\n" + AssertLeaseSql(session.key) + sql +
                                        session.journal.RecordSql(std::move(tail)) + "COMMIT;");
  // Of a lost connection nobody knows yet whether it committed; the run finds out.
  if (session.connection.is_lost()) return recorded.status();
  if (!what.empty()) session.in_flight.reset();
  if (!recorded.ok()) {
    session.journal.RolledBack();
    return TranslateLedgerError(recorded.status());
  }
  session.journal.Committed();
  return absl::OkStatus();
}

absl::StatusOr<bool> ResolveTail(Journal& journal, pg::Connection& connection) {
  const std::int64_t offset = journal.tail_offset();
  bool is_there = false;
  if (offset > 0) {
    ASSIGN_OR_RETURN(pg::Result rows,
                     connection.Query("SELECT count(*) AS n FROM migration.run_events"
                                      " WHERE run_id = $1 AND event_offset = $2",
                                      journal.run_id(), offset));
    is_there = rows[0].Get<std::int64_t>("n") > 0;
  }
  if (is_there) {
    journal.Committed();
  } else {
    journal.RolledBack();
  }
  return is_there;
}

absl::Status RecordFailure(RunSession& session, const StepTask& task, const absl::Status& failure) {
  Happening failed = task.Event("step_failed", task.text() + ": " + MessageOf(failure));
  failed.details["reason"] = ReasonOf(failure);
  session.journal.Emit(std::move(failed));
  const std::string events = session.journal.RecordSql();
  const auto stored = RunScript(
      session.connection,
      "BEGIN;\n" + AssertLeaseSql(session.key) +
          absl::StrFormat("INSERT INTO migration.step_failures (run_id, revision, ordinal, "
                          "direction, checksum, reason, message)"
                          " VALUES (%s, %s, %d, '%s', %s, %s, %s)"
                          " ON CONFLICT (revision, ordinal, direction, run_id) DO UPDATE SET "
                          "message = excluded.message;\n",
                          session.sql.run, pg::QuoteLiteral(task.revision.id), task.step.ordinal,
                          task.direction == Direction::kUp ? "up" : "down",
                          pg::QuoteLiteral(task.step.checksum), pg::QuoteLiteral(ReasonOf(failure)),
                          pg::QuoteLiteral(MessageOf(failure))) +
          events + "COMMIT;");
  if (!stored.ok()) {
    session.journal.RolledBack();
    return TranslateLedgerError(stored.status());
  }
  session.journal.Committed();
  return absl::OkStatus();
}

std::string MendedSql(const RunSession& session, const StepTask& task) {
  if (task.direction != Direction::kUp) return "";
  const auto failed = session.failed_checksums.find({task.revision.id, task.step.ordinal});
  if (failed == session.failed_checksums.end() || failed->second == task.step.checksum) return "";
  return absl::StrFormat(
      "INSERT INTO migration.amendments (kind, revision, ordinal, old_checksum, new_checksum, "
      "new_body, reason, actor,"
      " run_id) VALUES ('failed_step_mended', %s, %d, %s, %s, %s, 'the step failed and its file "
      "was mended', %s, %s);\n",
      pg::QuoteLiteral(task.revision.id), task.step.ordinal, pg::QuoteLiteral(failed->second),
      pg::QuoteLiteral(task.step.checksum), pg::QuoteLiteral(task.step.up.text), session.sql.actor,
      session.sql.run);
}

}  // namespace lockstep::migration
