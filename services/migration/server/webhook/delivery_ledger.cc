#include "services/migration/server/webhook/delivery_ledger.h"

#include "absl/strings/str_format.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration::webhook {
namespace {

using pg::QuoteLiteral;

// Of the session's kind: whoever dies or loses its connection lets go by that. "lswebhk" in ASCII.
constexpr std::int64_t kSenderAdvisoryLock = 0x6c73776562686b;

constexpr char kNews[] = R"sql(
SELECT r.run_id, r.kind, r.target, r.actor, coalesce(c.event_offset, 0) AS done,
       coalesce(c.attempts, 0) AS attempts
  FROM migration.webhook_state AS w
 CROSS JOIN migration.runs AS r
  LEFT JOIN migration.webhook_cursors AS c ON c.run_id = r.run_id
 WHERE (r.started_order > w.after_order OR c.run_id IS NOT NULL)
   AND ($1 OR r.finished_at IS NULL OR r.finished_at > clock_timestamp() - interval '1 hour'
        OR c.attempts > 0)
   AND coalesce(c.next_attempt_at, '-infinity') <= clock_timestamp()
   AND EXISTS (SELECT FROM migration.run_events AS e
                WHERE e.run_id = r.run_id AND e.event_offset > coalesce(c.event_offset, 0))
 ORDER BY r.started_order LIMIT 100
)sql";

// "INSERT ... ON CONFLICT ... ;\n" that sets the cursor of a run.
std::string CursorSql(const std::string& run_id, std::int64_t done, int attempts,
                      absl::Duration delay, const std::string& error) {
  const std::string due = attempts == 0
                              ? "'-infinity'"
                              : absl::StrFormat("clock_timestamp() + %d * interval '1 millisecond'",
                                                absl::ToInt64Milliseconds(delay));
  return absl::StrFormat(
      "INSERT INTO migration.webhook_cursors AS c (run_id, event_offset, attempts,"
      " next_attempt_at, last_error) VALUES (%s, %d, %d, %s, %s) ON CONFLICT (run_id) DO UPDATE"
      " SET event_offset = excluded.event_offset, attempts = excluded.attempts,"
      " next_attempt_at = excluded.next_attempt_at, last_error = excluded.last_error;\n",
      QuoteLiteral(run_id), done, attempts, due, QuoteLiteral(error));
}

std::string CountSql(const std::string& column, int by) {
  return absl::StrFormat("UPDATE migration.webhook_state SET %s = %s + %d;\n", column, column, by);
}

}  // namespace

absl::StatusOr<bool> BecomeSender(pg::Connection& connection) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query("SELECT pg_try_advisory_lock($1) AS taken",
                                                     kSenderAdvisoryLock));
  return rows[0].Get<bool>("taken");
}

absl::Status BeginRecord(pg::Connection& connection) {
  // Runs that are at work get a cursor, so that their logs are told from the beginning.
  return RunScript(connection,
                   "BEGIN;\n"
                   "INSERT INTO migration.webhook_cursors (run_id) SELECT run_id FROM"
                   " migration.runs WHERE finished_at IS NULL"
                   " AND NOT EXISTS (SELECT FROM migration.webhook_state)"
                   " ON CONFLICT (run_id) DO NOTHING;\n"
                   "INSERT INTO migration.webhook_state (id, after_order)"
                   " SELECT 1, coalesce(max(started_order), 0) FROM migration.runs"
                   " ON CONFLICT (id) DO NOTHING;\n"
                   "COMMIT;")
      .status();
}

absl::StatusOr<std::vector<RunWithNews>> FindNews(pg::Connection& connection, bool all) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kNews, all));
  std::vector<RunWithNews> news;
  for (const pg::Row row : rows) {
    news.push_back({.run_id = row.Text("run_id"),
                    .facts = {.kind = row.Text("kind"),
                              .target = row.Text("target"),
                              .actor = row.Text("actor")},
                    .done = row.Get<std::int64_t>("done"),
                    .attempts = row.Get<std::int32_t>("attempts")});
  }
  return news;
}

absl::Status RecordDone(pg::Connection& connection, const std::string& run_id, std::int64_t offset,
                        int delivered) {
  const std::string count = delivered > 0 ? CountSql("delivered", delivered) : "";
  return RunScript(connection, "BEGIN;\n" + CursorSql(run_id, offset, 0, absl::ZeroDuration(), "") +
                                   count + "COMMIT;")
      .status();
}

absl::Status RecordFailure(pg::Connection& connection, const std::string& run_id, std::int64_t done,
                           int attempts, absl::Duration delay, const std::string& error) {
  return RunScript(connection, "BEGIN;\n" + CursorSql(run_id, done, attempts, delay, error) +
                                   CountSql("failed_attempts", 1) + "COMMIT;")
      .status();
}

absl::Status RecordGivenUp(pg::Connection& connection, const RunEvent& event, int attempts,
                           const std::string& error) {
  const std::string given_up = absl::StrFormat(
      "INSERT INTO migration.webhook_undeliverable (run_id, event_offset, kind, attempts,"
      " last_error) VALUES (%s, %d, %s, %d, %s) ON CONFLICT (run_id, event_offset) DO NOTHING;\n",
      QuoteLiteral(event.run_id), event.offset, QuoteLiteral(event.kind), attempts,
      QuoteLiteral(error));
  return RunScript(connection,
                   "BEGIN;\n" + given_up +
                       CursorSql(event.run_id, event.offset, 0, absl::ZeroDuration(), "") +
                       CountSql("failed_attempts", 1) + CountSql("undeliverable", 1) + "COMMIT;")
      .status();
}

}  // namespace lockstep::migration::webhook
