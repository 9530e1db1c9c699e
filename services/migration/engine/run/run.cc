#include "services/migration/engine/run/run.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/whereabouts.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

constexpr char kReadOnlyState[] = "25006";

absl::Status MarkRunning(pg::Connection& connection, const LeaseKey& key, const std::string& run,
                         Journal& journal) {
  // Only the holder of the lease runs, so every other run that says it is running has lost its
  // process.
  const std::string events = journal.RecordSql();
  const auto marked = RunScript(
      connection,
      "BEGIN;\n" + AssertLeaseSql(key) + events +
          "UPDATE migration.runs SET state = 'running' WHERE run_id = " + run +
          ";\nUPDATE migration.runs SET state = 'interrupted', finished_at = clock_timestamp(),"
          " error_reason = 'PROCESS_GONE', error_message = 'the process of this run went away'"
          " WHERE run_id <> " +
          run +
          " AND ((state = 'running' AND kind <> 'verify')"
          "   OR (state = 'waiting' AND touched_at < clock_timestamp() - interval '1 minute')"
          "   OR (state = 'running' AND started_at < clock_timestamp() - interval '1 "
          "day'));\nCOMMIT;");
  if (marked.ok()) {
    journal.Committed();
  } else {
    journal.RolledBack();
  }
  return TranslateLedgerError(marked.status());
}

absl::Status LoadFailures(RunSession& session) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   session.connection.Query(
                       "SELECT DISTINCT ON (f.revision, f.ordinal) f.revision, f.ordinal, "
                       "f.checksum FROM migration.step_failures AS f"
                       " WHERE f.direction = 'up'"
                       // What went through since was mended then.
                       "   AND NOT EXISTS (SELECT FROM migration.step_log AS l"
                       "                    WHERE l.revision = f.revision"
                       "                      AND l.ordinal = f.ordinal AND l.direction = 'up'"
                       "                      AND l.finished_at >= f.failed_at)"
                       " ORDER BY f.revision, f.ordinal, f.failed_at DESC"));
  for (const pg::Row row : rows) {
    session.failed_checksums[{row.Text("revision"), row.Get<std::int32_t>("ordinal")}] =
        row.Text("checksum");
  }
  return absl::OkStatus();
}

absl::Status Unknown(const RunSession& session, const absl::Status& cause) {
  return Error(absl::StatusCode::kUnknown, "COMMIT_OUTCOME_UNKNOWN",
               (session.in_flight.has_value() ? session.in_flight->text : std::string("the run")) +
                   ": the connection broke and the outcome could not be read (" + MessageOf(cause) +
                   "); run again to find out and continue");
}

bool IsAboutConnection(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kUnknown;
}

// The main connection is gone. Its backend may still be at work, so it is ended first; then the
// ledger says what became of what was in flight. `replacement` is a new connection, registered
// under the same lease.
absl::Status Resolve(RunSession& session, pg::Connection& replacement, int lost_pid) {
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (true) {
    ASSIGN_OR_RETURN(pg::Result alive,
                     replacement.Query(std::string("SELECT pg_terminate_backend(a.pid) FROM ") +
                                           kLiveSessions + " WHERE s.token = $1 AND s.pid = $2",
                                       session.key.token, lost_pid));
    if (alive.empty()) break;
    if (absl::Now() > give_up) {
      return Error(absl::StatusCode::kUnavailable, "DATABASE_UNREACHABLE",
                   "an old backend does not end");
    }
    RETURN_IF_ERROR(Sleep(Context::WithDeadline(absl::InfiniteFuture()), absl::Milliseconds(20)));
  }
  ASSIGN_OR_RETURN(const bool is_done, ResolveTail(session.journal, replacement));
  const std::string what =
      session.in_flight.has_value()
          ? "; " + session.in_flight->text + (is_done ? " is done" : session.in_flight->otherwise)
          : "";
  return Error(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
               "the connection to the database broke" + what + "; run again to continue");
}

Happening RunFinished(const absl::Status& status) {
  Happening finished;
  finished.kind = "run_finished";
  finished.message =
      status.ok() ? "done" : std::string(ToText(StateAfter(status))) + ": " + MessageOf(status);
  finished.details = JsonObject(nlohmann::json{{"state", std::string(ToText(StateAfter(status)))},
                                               {"reason", ReasonOf(status)}});
  return finished;
}

void Finish(RunSession& session, pg::Connection& connection, const absl::Status& status) {
  session.journal.Emit(RunFinished(status));
  const std::string events = session.journal.RecordSql();
  const auto ended = RunScript(connection, "BEGIN;\n" + AssertLeaseSql(session.key) + events +
                                               EndRunSql(session.sql.run, status) + "COMMIT;");
  // Without the lease this runner writes nothing more: the next one marks the run as interrupted.
  if (ended.ok()) {
    session.journal.Committed();
  } else {
    session.journal.RolledBack();
  }
  Killpoint("run_finished");
}

// Ends a run that never got the lease.
void GiveUpWaiting(pg::Connection& connection, Journal& journal, const absl::Status& status) {
  if (connection.is_lost()) return;
  journal.Emit(RunFinished(status));
  const std::string events = journal.RecordSql();
  const auto ended =
      RunScript(connection, "BEGIN;\n" + events +
                                EndRunSql(pg::QuoteLiteral(journal.run_id()), status) + "COMMIT;");
  // Best effort: a later runner marks a run that waits no more as interrupted.
  if (ended.ok()) {
    journal.Committed();
  } else {
    journal.RolledBack();
  }
}

}  // namespace

RunState StateAfter(const absl::Status& status) {
  if (status.ok()) return RunState::kSucceeded;
  if (status.code() == absl::StatusCode::kCancelled) return RunState::kCancelled;
  switch (ExitClassOf(status)) {
    case ExitClass::kBlocked:
    case ExitClass::kInProgress:
      return RunState::kBlocked;
    default:
      return RunState::kFailed;
  }
}

std::string EndRunSql(const std::string& run, const absl::Status& status) {
  return absl::StrFormat(
      "UPDATE migration.runs SET state = '%s', finished_at = clock_timestamp(), error_reason = %s,"
      " error_message = %s WHERE run_id = %s AND state IN ('waiting', 'running');\n",
      std::string(ToText(StateAfter(status))), pg::QuoteLiteral(ReasonOf(status)),
      pg::QuoteLiteral(status.ok() ? "" : MessageOf(status)), run);
}

absl::Status RecordRun(pg::Connection& connection, const EngineOptions& options,
                       const RunRequest& request, RunState state) {
  const auto inserted = connection.Query(
      "INSERT INTO migration.runs (run_id, kind, target, state, actor, host, finished_at)"
      " VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $4 IN ('waiting', 'running') THEN NULL"
      "                                 ELSE clock_timestamp() END)"
      " ON CONFLICT (run_id) DO NOTHING",
      request.run_id, request.kind, request.target, ToText(state), ActorOf(options), HostName());
  if (!inserted.ok()) {
    // What nothing can be written to may be a replica, and then that is what has to be said.
    if (pg::SqlStateOf(inserted.status()) == kReadOnlyState) {
      ASSIGN_OR_RETURN(const Whereabouts where, LookAround(connection));
      RETURN_IF_ERROR(where.refusal);
    }
    return inserted.status();
  }
  if (inserted->affected() == 1) return absl::OkStatus();
  return Error(absl::StatusCode::kAlreadyExists, "RUN_EXISTS",
               "the ledger already has a run with this id")
      .With("run", std::string_view(request.run_id));
}

absl::StatusOr<RunReport> RunUnderLease(const Context& context, const EngineOptions& options,
                                        const Graph& graph, const RunRequest& request,
                                        std::unique_ptr<pg::Connection> connection, EventSink& sink,
                                        const RunBody& body) {
  ASSIGN_OR_RETURN(const Whereabouts where, LookAround(*connection));
  RETURN_IF_ERROR(where.refusal);
  RETURN_IF_ERROR(RecordRun(*connection, options, request, RunState::kWaiting));
  Killpoint("run_recorded");
  Journal journal(request.run_id, 0, sink);
  journal.Emit({.kind = "run_started",
                .message = request.kind + " " + request.target + " by " + ActorOf(options),
                .details = request.details});
  if (where.is_superuser) journal.Emit({.kind = "warning", .message = kSuperuserWarning});
  auto acquired = AcquireLease(context, options, *connection, journal);
  if (!acquired.ok()) {
    GiveUpWaiting(*connection, journal, acquired.status());
    return acquired.status();
  }
  const LeaseKey key = *acquired;
  RunSql sql;
  sql.lease = std::to_string(key.token) + "," + pg::QuoteLiteral(key.holder);
  sql.run = pg::QuoteLiteral(request.run_id);
  sql.actor = pg::QuoteLiteral(ActorOf(options));

  RunReport report;
  report.run_id = request.run_id;
  std::unique_ptr<pg::Connection> replacement;
  absl::Status status = MarkRunning(*connection, key, sql.run, journal);
  Killpoint("run_marked");
  {
    Attendant attendant(context, options, key, *connection, journal);
    RunSession session{.context = context,
                       .options = options,
                       .graph = graph,
                       .key = key,
                       .sql = sql,
                       .connection = *connection,
                       .journal = journal,
                       .attendant = attendant};
    if (status.ok()) status = LoadFailures(session);
    if (status.ok()) status = body(session, report);
    if (connection->is_lost()) {
      auto opened = OpenRunnerSession(options, key, "recovery");
      const absl::Status resolved =
          opened.ok() ? Resolve(session, **opened, connection->backend_pid()) : opened.status();
      const std::string reason = ReasonOf(resolved);
      // A step that had failed by then is known to have failed, and why.
      const bool is_known =
          !session.in_flight.has_value() && !status.ok() && !IsAboutConnection(status);
      const bool is_resolved = reason == "CONNECTION_LOST" || reason == "LEASE_LOST";
      if (!is_known) status = is_resolved ? resolved : Unknown(session, resolved);
      if (!is_resolved) journal.OutcomeUnknown();
      if (opened.ok()) replacement = *std::move(opened);
    }
    if (replacement != nullptr) {
      Finish(session, *replacement, status);
    } else if (!connection->is_lost()) {
      Finish(session, *connection, status);
    }
  }
  ReleaseLease(replacement != nullptr ? *replacement : *connection, key);
  Killpoint("lease_released");
  RETURN_IF_ERROR(status);
  return report;
}

}  // namespace lockstep::migration
