#include "services/migration/engine/run/concurrent_step.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/undo.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

std::string_view DirectionText(Direction direction) {
  return direction == Direction::kUp ? "up" : "down";
}

// What the catalog knows about an index.
struct IndexState {
  bool is_valid = false;
  bool is_being_built = false;
  std::string definition;
};

class ConcurrentStep {
 public:
  ConcurrentStep(RunSession& session, const StepTask& task)
      : session_(session), task_(task), started_(absl::Now()) {}

  absl::StatusOr<StepOutcome> Run(const UndoRequest& undo);

 private:
  absl::Status RunStatement(int number, const std::string& statement);
  absl::Status BuildIndex(const IndexBuild& build, const std::string& statement, bool was_ours);
  absl::Status DetachPartition(const std::string& statement, bool was_ours);
  absl::Status DropLeftover(const IndexBuild& build);
  absl::StatusOr<bool> Announce(int number, const std::string& statement);
  absl::StatusOr<std::optional<IndexState>> Look(const IndexBuild& build);
  absl::StatusOr<bool> IsOurs(const IndexBuild& build, const IndexState& state) const;
  // Sends one statement outside of any transaction, as the owner, right after a lease check.
  absl::Status SendAlone(const std::string& statement, bool is_online_build);
  absl::Status SendWithRetries(const std::string& statement, bool is_online_build);
  absl::Status Record();

  RunSession& session_;
  const StepTask& task_;
  const absl::Time started_;
};

absl::StatusOr<StepOutcome> ConcurrentStep::Run(const UndoRequest& undo) {
  if (task_.script.is_opaque) {
    return Error(absl::StatusCode::kFailedPrecondition, "NON_TRANSACTIONAL_UNSUPPORTED",
                 task_.script.file +
                     ": the parser cannot read it, so its outcome could not be told after a crash");
  }
  StepOutcome outcome;
  if (task_.direction == Direction::kDown) {
    ASSIGN_OR_RETURN(outcome, PrepareUndoAlone(session_, task_, undo, Mark::kHalfUndone));
  }
  for (std::size_t i = 0; i < task_.script.statements.size(); ++i) {
    RETURN_IF_ERROR(MayGoOn(session_));
    RETURN_IF_ERROR(RunStatement(static_cast<int>(i) + 1, task_.script.statements[i]));
  }
  RETURN_IF_ERROR(Record());
  return outcome;
}

absl::StatusOr<bool> ConcurrentStep::Announce(int number, const std::string& statement) {
  Killpoint("concurrent_before_intent");
  const std::string key = absl::StrFormat(
      "revision = %s AND ordinal = %d AND direction = '%s' AND statement_number = %d",
      pg::QuoteLiteral(task_.revision.id), task_.step.ordinal,
      std::string(DirectionText(task_.direction)), number);
  ASSIGN_OR_RETURN(
      const auto results,
      RunScript(
          session_.connection,
          "BEGIN;\n" + AssertLeaseSql(session_.key) +
              "SELECT statement FROM migration.step_intents WHERE " + key + ";\n" +
              absl::StrFormat("INSERT INTO migration.step_intents (revision, ordinal, direction, "
                              "statement_number, statement,"
                              " token, run_id, backend_pid) VALUES (%s, %d, '%s', %d, %s, %d, %s, "
                              "pg_backend_pid())"
                              " ON CONFLICT (revision, ordinal, direction, statement_number) DO "
                              "UPDATE SET statement ="
                              " excluded.statement, token = excluded.token, run_id = "
                              "excluded.run_id, backend_pid ="
                              " excluded.backend_pid, recorded_at = clock_timestamp();\nCOMMIT;",
                              pg::QuoteLiteral(task_.revision.id), task_.step.ordinal,
                              std::string(DirectionText(task_.direction)), number,
                              pg::QuoteLiteral(statement), session_.key.token, session_.sql.run)));
  Killpoint("concurrent_intent_recorded");
  return !results[2].empty();
}

absl::Status ConcurrentStep::RunStatement(int number, const std::string& statement) {
  ASSIGN_OR_RETURN(const Script alone, ReadScript(task_.script.file, statement));
  const std::string tag = alone.facts.tags.empty() ? "" : alone.facts.tags.front();
  auto announced = Announce(number, statement);
  if (!announced.ok()) return TranslateLedgerError(announced.status());
  const bool was_ours = *announced;
  if (tag == "CREATE INDEX" && alone.facts.concurrent_indexes.size() == 1) {
    return BuildIndex(alone.facts.concurrent_indexes.front(), statement, was_ours);
  }
  if (tag == "DROP INDEX") {
    // Gone already, by the attempt that crashed: done.
    ASSIGN_OR_RETURN(
        pg::Result left,
        session_.connection.Query(
            "SELECT count(*) AS n FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('i', 'I') AND n.nspname || '.' || c.relname = ANY ($1::text[])",
            pg::ArrayLiteral(alone.facts.written)));
    if (was_ours && left[0].Get<std::int64_t>("n") == 0) return absl::OkStatus();
    return SendWithRetries(statement, true);
  }
  if (tag == "REINDEX") {
    // A run that was cut off leaves its half-built twin behind.
    std::vector<std::string> names = alone.facts.written;
    names.insert(names.end(), alone.facts.read.begin(), alone.facts.read.end());
    for (const std::string& name : names) {
      const std::size_t dot = name.find('.');
      const std::string twin = pg::QuoteIdentifier(name.substr(0, dot)) + "." +
                               pg::QuoteIdentifier(name.substr(dot + 1) + "_ccnew");
      if (was_ours) RETURN_IF_ERROR(SendAlone("DROP INDEX CONCURRENTLY IF EXISTS " + twin, true));
    }
    return SendWithRetries(statement, true);
  }
  if (tag == "REFRESH MATERIALIZED VIEW" || tag == "VACUUM" || tag == "ANALYZE") {
    return SendWithRetries(statement, false);
  }
  if (tag == "ALTER TABLE") return DetachPartition(statement, was_ours);
  return Error(absl::StatusCode::kFailedPrecondition, "NON_TRANSACTIONAL_UNSUPPORTED",
               task_.text() + ": after a crash nobody could tell whether \"" + tag + "\" was done");
}

absl::StatusOr<std::optional<IndexState>> ConcurrentStep::Look(const IndexBuild& build) {
  ASSIGN_OR_RETURN(
      pg::Result found,
      session_.connection.Query(
          "SELECT i.indisvalid AND i.indisready AND i.indislive AS is_valid, "
          "pg_get_indexdef(c.oid) AS definition,"
          "  EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)"
          "  OR EXISTS (SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.granted AND l.pid <> "
          "pg_backend_pid()"
          "               AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock')) AS "
          "is_being_built"
          "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON "
          "i.indexrelid = c.oid"
          " WHERE n.nspname = $1 AND c.relname = $2",
          build.schema, build.name));
  if (found.empty()) return std::optional<IndexState>();
  const pg::Row row = found[0];
  return std::optional<IndexState>(IndexState{.is_valid = row.Get<bool>("is_valid"),
                                              .is_being_built = row.Get<bool>("is_being_built"),
                                              .definition = row.Text("definition")});
}

absl::StatusOr<bool> ConcurrentStep::IsOurs(const IndexBuild& build,
                                            const IndexState& state) const {
  ASSIGN_OR_RETURN(const IndexBuild there, ReadIndexDefinition(state.definition));
  return there == build;
}

absl::Status ConcurrentStep::DropLeftover(const IndexBuild& build) {
  session_.journal.Emit(
      task_.Event("index_resumed",
                  "index " + build.schema + "." + build.name +
                      " was left invalid by an earlier attempt; it is dropped and built again"));
  Killpoint("concurrent_before_drop_leftover");
  return SendAlone("DROP INDEX CONCURRENTLY " + pg::QuoteIdentifier(build.schema) + "." +
                       pg::QuoteIdentifier(build.name),
                   true);
}

absl::Status ConcurrentStep::BuildIndex(const IndexBuild& build, const std::string& statement,
                                        bool was_ours) {
  const absl::Time give_up = absl::Now() + absl::Seconds(task_.step.limits.retry_for_seconds);
  const std::string name = build.schema + "." + build.name;
  for (int attempt = 0;; ++attempt) {
    ASSIGN_OR_RETURN(const std::optional<IndexState> before, Look(build));
    if (before.has_value() && (was_ours || attempt > 0)) {
      ASSIGN_OR_RETURN(const bool is_ours, IsOurs(build, *before));
      if (!is_ours) {
        return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
                     task_.text() + ": an index " + name +
                         " of another definition is in the way: " + before->definition);
      }
      if (before->is_valid) return absl::OkStatus();
      if (before->is_being_built) {
        if (absl::Now() > give_up) {
          return Error(absl::StatusCode::kFailedPrecondition, "STEP_BLOCKED",
                       task_.text() + ": index " + name + " is being built by somebody else");
        }
        RETURN_IF_ERROR(Sleep(session_.context, absl::Milliseconds(100)));
        continue;
      }
      RETURN_IF_ERROR(DropLeftover(build));
    }
    const absl::Status sent = SendAlone(statement, true);
    if (session_.connection.is_lost()) return sent;
    if (sent.ok()) break;
    RETURN_IF_ERROR(MayGoOn(session_));
    // A failed build leaves an invalid index that costs every write; do not leave it for the next
    // run. Without an intent of ours from before, what stands there may be somebody else's.
    ASSIGN_OR_RETURN(const std::optional<IndexState> after, Look(build));
    const bool is_new = after.has_value() && !after->is_valid && (was_ours || !before.has_value());
    const std::string state = pg::SqlStateOf(sent);
    if (is_new) RETURN_IF_ERROR(DropLeftover(build));
    if ((state != "40P01" && state != "55P03") || absl::Now() > give_up) {
      return ScriptError(state == "55P03" || state == "40P01" ? "STEP_BLOCKED" : "STEP_FAILED",
                         task_.text() + " failed at " + task_.script.file, sent);
    }
    RETURN_IF_ERROR(Sleep(session_.context, absl::Milliseconds(200)));
  }
  ASSIGN_OR_RETURN(const std::optional<IndexState> built, Look(build));
  const bool is_done = built.has_value() && built->is_valid;
  ASSIGN_OR_RETURN(const bool is_same,
                   is_done ? IsOurs(build, *built) : absl::StatusOr<bool>(false));
  if (is_done && is_same) return absl::OkStatus();
  // IF NOT EXISTS reports success although an invalid or different index stands there.
  return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
               task_.text() + ": index " + name + " is not there as the script defines it");
}

absl::Status ConcurrentStep::DetachPartition(const std::string& statement, bool was_ours) {
  const auto has = [&](std::string_view word) { return statement.find(word) != std::string::npos; };
  if (!has("DETACH PARTITION") || !has("CONCURRENTLY")) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "NON_TRANSACTIONAL_UNSUPPORTED",
        task_.text() +
            ": of ALTER TABLE only DETACH PARTITION ... CONCURRENTLY runs outside transactions");
  }
  ASSIGN_OR_RETURN(const Script alone, ReadScript(task_.script.file, statement));
  std::vector<std::string> names = alone.facts.written;
  names.insert(names.end(), alone.facts.read.begin(), alone.facts.read.end());
  ASSIGN_OR_RETURN(
      pg::Result attached,
      session_.connection.Query(
          "SELECT inhdetachpending AS is_pending, inhparent::regclass::text AS parent, "
          "inhrelid::regclass::text AS part"
          "  FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid JOIN pg_namespace n ON n.oid = "
          "c.relnamespace"
          "  JOIN pg_class p ON p.oid = inhparent JOIN pg_namespace m ON m.oid = p.relnamespace"
          " WHERE n.nspname || '.' || c.relname = ANY ($1::text[]) AND m.nspname || '.' || "
          "p.relname = ANY ($1::text[])",
          pg::ArrayLiteral(names)));
  if (was_ours && attached.empty()) return absl::OkStatus();
  if (was_ours && attached[0].Get<bool>("is_pending")) {
    return SendWithRetries("ALTER TABLE " + attached[0].Text("parent") + " DETACH PARTITION " +
                               attached[0].Text("part") + " FINALIZE",
                           false);
  }
  return SendWithRetries(statement, false);
}

absl::Status ConcurrentStep::SendAlone(const std::string& statement, bool is_online_build) {
  RETURN_IF_ERROR(MayGoOn(session_));
  pg::Connection& connection = session_.connection;
  // A timeout in an online build leaves an invalid index behind and frees nobody: such a build
  // blocks neither readers nor writers while it waits.
  const auto ready = connection.Script(
      AssertLeaseSql(session_.key) +
      absl::StrFormat("SET lock_timeout = %d; SET statement_timeout = %d; SET ROLE %s;",
                      is_online_build ? 0 : task_.step.limits.lock_timeout_ms,
                      is_online_build ? 0 : task_.step.limits.statement_timeout_ms,
                      pg::QuoteIdentifier(OwnerRole(task_.revision.service))));
  if (!ready.ok()) return TranslateLedgerError(ready.status());
  Killpoint("concurrent_before_send");
  absl::Status sent;
  {
    const Attendant::Watch watch(session_.attendant, task_.Event("", ""));
    connection.SetAfterSendHook([] { Killpoint("concurrent_sent"); });
    sent = connection.Query(statement).status();
    connection.SetAfterSendHook({});
  }
  if (connection.is_lost()) return sent;
  Killpoint("concurrent_done");
  const absl::Status reset = ResetSession(connection);
  return sent.ok() ? reset : sent;
}

absl::Status ConcurrentStep::SendWithRetries(const std::string& statement, bool is_online_build) {
  const absl::Time give_up = absl::Now() + absl::Seconds(task_.step.limits.retry_for_seconds);
  while (true) {
    const absl::Status sent = SendAlone(statement, is_online_build);
    if (sent.ok() || session_.connection.is_lost() || ReasonOf(sent) == "LEASE_LOST") return sent;
    RETURN_IF_ERROR(MayGoOn(session_));
    const std::string state = pg::SqlStateOf(sent);
    const bool is_about_locks = state == "55P03" || state == "40P01";
    if (!is_about_locks || absl::Now() > give_up) {
      return ScriptError(is_about_locks ? "STEP_BLOCKED" : "STEP_FAILED",
                         task_.text() + " failed at " + task_.script.file, sent);
    }
    RETURN_IF_ERROR(FlushEvents(session_));
    RETURN_IF_ERROR(Sleep(session_.context, absl::Milliseconds(300)));
  }
}

absl::Status ConcurrentStep::Record() {
  Killpoint("concurrent_before_record");
  const std::string duration = std::to_string(absl::ToInt64Milliseconds(absl::Now() - started_));
  const bool is_up = task_.direction == Direction::kUp;
  std::string sql = "BEGIN;\n" + AssertLeaseSql(session_.key);
  if (is_up) {
    sql += MendedSql(session_, task_) +
           RecordStepSql(session_.sql, task_.revision, task_.step, duration);
    if (task_.is_last) sql += RecordRevisionSql(session_.sql, task_.revision);
  } else {
    sql += RecordUndoSql(session_.sql, task_.revision, task_.step, duration);
  }
  sql += absl::StrFormat(
             "DELETE FROM migration.step_intents WHERE revision = %s AND ordinal = %d AND "
             "direction = '%s';\n",
             pg::QuoteLiteral(task_.revision.id), task_.step.ordinal,
             std::string(DirectionText(task_.direction))) +
         session_.journal.RecordSql(task_.FinishedEvents()) + "COMMIT;";
  const auto recorded = RunScript(session_.connection, sql);
  if (!recorded.ok()) {
    if (!session_.connection.is_lost()) session_.journal.RolledBack();
    return TranslateLedgerError(recorded.status());
  }
  session_.journal.Committed();
  Killpoint("concurrent_recorded");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StepOutcome> RunConcurrentStep(RunSession& session, const StepTask& task,
                                              const UndoRequest& undo) {
  return ConcurrentStep(session, task).Run(undo);
}

}  // namespace lockstep::migration
