#include "services/migration/engine/run/transactional_step.h"

#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/expectations.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/measure/certified_step.h"
#include "services/migration/engine/run/measure/meter.h"
#include "services/migration/engine/run/plain_steps.h"
#include "services/migration/engine/run/preflight.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

// The state of one attempt.
class Attempt {
 public:
  Attempt(RunSession& session, const StepTask& task, const Limits& limits, const Prepare& prepare)
      : session_(session),
        task_(task),
        limits_(limits),
        prepare_(prepare),
        boundary_(BoundaryOf(task.revision)),
        role_(OwnerRole(task.revision.service)) {}

  absl::Status RunInParts();
  StepOutcome TakeOutcome() { return std::move(outcome_); }

 private:
  absl::StatusOr<std::vector<pg::Result>> Send(const std::string& sql);
  absl::Status RunStatements(const std::vector<std::string>& statements);
  absl::Status RunLegacy(const std::vector<std::string>& statements);
  absl::Status CheckExpectations();
  absl::Status CheckBoundary(const pg::Row& baseline);
  absl::Status BeginMeter();
  absl::Status ReadMeter(absl::Duration worked);
  absl::Status RecordAndCommit();
  std::string RecordSql() const;
  std::vector<Happening> Tail() const;

  RunSession& session_;
  const StepTask& task_;
  const Limits& limits_;
  const Prepare& prepare_;
  Boundary boundary_;
  const std::string role_;
  Prepared prepared_;
  std::optional<Meter> meter_;  // when somebody wants to know
  StepOutcome outcome_;
};

absl::StatusOr<std::vector<pg::Result>> Attempt::Send(const std::string& sql) {
  RETURN_IF_ERROR(MayGoOn(session_));
  return session_.connection.Script(sql);
}

std::vector<Happening> Attempt::Tail() const {
  std::vector<Happening> tail = prepared_.events;
  for (Happening& event : task_.FinishedEvents()) tail.push_back(std::move(event));
  return tail;
}

std::string Attempt::RecordSql() const {
  std::string sql;
  if (task_.is_repeatable) return prepared_.record_sql;
  if (task_.direction == Direction::kUp) {
    sql += MendedSql(session_, task_);
    sql += RecordStepSql(session_.sql, task_.revision, task_.step);
    if (task_.is_last) sql += RecordRevisionSql(session_.sql, task_.revision);
  } else {
    sql += RecordUndoSql(session_.sql, task_.revision, task_.step);
  }
  return sql + RecordChecksSql(session_.sql, outcome_.expectations) + prepared_.record_sql;
}

absl::Status Attempt::RunInParts() {
  Killpoint("step_before_begin");
  std::string begin = BeginSql(session_.sql, limits_);
  if (task_.direction == Direction::kDown && !task_.is_repeatable) {
    begin += BeginUndoSql(task_.revision);
  }
  begin += task_.ask_first + EnterRoleSql(role_);
  auto begun = Send(begin);
  if (!begun.ok()) return TranslateLedgerError(begun.status());
  Killpoint("step_fenced");
  prepared_.statements = task_.script.statements;
  if (prepare_) {
    ASSIGN_OR_RETURN(prepared_, prepare_(session_.connection));
    outcome_.archives = prepared_.archives;
    boundary_.schemas.insert(boundary_.schemas.end(), prepared_.extra_schemas.begin(),
                             prepared_.extra_schemas.end());
    Killpoint("step_prepared");
  }
  ASSIGN_OR_RETURN(const auto baseline, Send(BaselineSql(boundary_)));
  RETURN_IF_ERROR(BeginMeter());
  const absl::Time began = absl::Now();
  RETURN_IF_ERROR(RunStatements(prepared_.statements));
  if (prepared_.check) RETURN_IF_ERROR(prepared_.check(session_.connection));
  Killpoint("step_statements_done");
  RETURN_IF_ERROR(CheckExpectations());
  const absl::Duration worked = absl::Now() - began;
  RETURN_IF_ERROR(CheckBoundary(baseline.back()[0]));
  RETURN_IF_ERROR(ReadMeter(worked));
  Killpoint("step_checked");
  return RecordAndCommit();
}

absl::Status Attempt::RunLegacy(const std::vector<std::string>& statements) {
  if (statements.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Send(EnterLegacySql(task_.revision)).status());
  absl::Status status;
  if (task_.direction == Direction::kUp && !task_.step.copy_data.empty()) {
    RETURN_IF_ERROR(MayGoOn(session_));
    status = session_.connection.CopyIn(statements.front(), task_.step.copy_data).status();
  } else {
    // As its own tool sent it, in one message, also what the parser cannot read.
    status = Send(JoinStatements(statements)).status();
  }
  if (status.ok()) return Send(LeaveLegacySql(task_.revision, limits_)).status();
  if (IsAboutLocks(status) || session_.connection.is_lost() || pg::SqlStateOf(status).empty()) {
    return status;
  }
  const bool is_whole = task_.script.is_opaque || statements.size() == 1;
  return AtStatement(task_, is_whole ? 0 : session_.connection.completed_statements(), status);
}

absl::Status Attempt::RunStatements(const std::vector<std::string>& statements) {
  if (task_.revision.phase == Phase::kLegacy) return RunLegacy(statements);
  if (task_.script.is_opaque) {
    // The extended protocol takes exactly one statement, so nothing can hide behind a semicolon.
    for (const std::string& statement : statements) {
      RETURN_IF_ERROR(MayGoOn(session_));
      const auto result = session_.connection.Query(statement);
      if (!result.ok()) {
        return IsAboutLocks(result.status()) ? result.status()
                                             : AtStatement(task_, 0, result.status());
      }
    }
    return absl::OkStatus();
  }
  if (statements.empty()) return absl::OkStatus();
  const auto results = Send(JoinStatements(statements));
  if (results.ok() || IsAboutLocks(results.status()) || session_.connection.is_lost() ||
      pg::SqlStateOf(results.status()).empty()) {
    return results.status();
  }
  // Lines are known of the script's own statements only.
  const bool is_script = statements.size() == task_.script.statements.size();
  return AtStatement(task_, is_script ? session_.connection.completed_statements() : -1,
                     results.status());
}

absl::Status Attempt::CheckExpectations() {
  std::string sql = kFireConstraints;
  // What a step promises holds after it, not after its undo.
  if (task_.direction == Direction::kUp) sql += JoinStatements(task_.step.expect.statements);
  const auto results = Send(sql);
  if (!results.ok()) {
    if (IsAboutLocks(results.status()) || session_.connection.is_lost() ||
        pg::SqlStateOf(results.status()).empty()) {
      return results.status();
    }
    return ScriptError("STEP_FAILED",
                       task_.text() + ": a deferred constraint or expectation failed",
                       results.status());
  }
  // Two results are those of kFireConstraints.
  ASSIGN_OR_RETURN(outcome_.expectations, ReadExpectations(task_, std::span(*results).subspan(2)));
  TellExpectations(session_, task_, outcome_.expectations);
  return ExpectationStatus(task_, outcome_.expectations);
}

absl::Status Attempt::CheckBoundary(const pg::Row& baseline) {
  const auto quoted = [&](const char* column) {
    return pg::QuoteLiteral(baseline.Text(column)) + "::text";
  };
  // The step may have put functions of its own in front of those that the check calls.
  ASSIGN_OR_RETURN(
      const auto results,
      Send("SELECT " + std::string(StateSql()) +
           " AS state;\nSET LOCAL search_path = " + kSearchPath + ";\nSET LOCAL ROLE NONE;\n" +
           ViolationsSql(boundary_, quoted("xid"), quoted("counts"), quoted("written"),
                         quoted("referenced"))));
  const std::string state = results[0][0].Text("state");
  const std::string wanted = StateText(role_, limits_);
  if (state != wanted) {
    return Error(absl::StatusCode::kFailedPrecondition, "STEP_TAMPERED",
                 task_.text() + " was rolled back: it changed its role or limits")
        .With("expected", std::string_view(wanted))
        .With("found", std::string_view(state));
  }
  if (results.back().empty()) return absl::OkStatus();
  std::string found;
  for (const pg::Row row : results.back()) found += " " + row.Text("violation") + ";";
  return Error(
      absl::StatusCode::kFailedPrecondition, "STEP_TAMPERED",
      task_.text() + " was rolled back, because it left the schemas of its service:" + found);
}

absl::Status Attempt::BeginMeter() {
  if (!IsWatched(session_, task_)) return absl::OkStatus();
  if (session_.measured != nullptr) RETURN_IF_ERROR(ForbidWorkers(session_.connection));
  ASSIGN_OR_RETURN(Meter meter, Meter::Begin(session_.connection));
  meter_ = std::move(meter);
  return absl::OkStatus();
}

// In the engine's own role: after this the step's part of the transaction is over. `worked`: how
// long its statements and expectations took, which grows with the rows; the engine's checks do not.
absl::Status Attempt::ReadMeter(absl::Duration worked) {
  if (!meter_.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Measurement measurement, meter_->End(session_.connection));
  measurement.took = worked;
  RETURN_IF_ERROR(MayCost(session_, task_, measurement));
  if (session_.measured != nullptr) outcome_.measurement = std::move(measurement);
  return absl::OkStatus();
}

absl::Status Attempt::RecordAndCommit() {
  std::string sql = RecordSql() + session_.journal.RecordSql(Tail());
  const auto recorded = Send(sql);
  if (!recorded.ok()) {
    if (!session_.connection.is_lost()) session_.journal.RolledBack();
    return TranslateLedgerError(recorded.status());
  }
  Killpoint("step_recorded");
  absl::Status committed = MayGoOn(session_);
  if (committed.ok()) {
    session_.connection.SetAfterSendHook([] { Killpoint("step_commit_sent"); });
    committed = session_.connection.Commit();
    session_.connection.SetAfterSendHook({});
  }
  if (!committed.ok()) {
    if (!session_.connection.is_lost()) session_.journal.RolledBack();
    return committed;
  }
  session_.journal.Committed();
  Killpoint("step_committed");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StepOutcome> RunTransactionalStep(RunSession& session, const StepTask& task,
                                                 const Prepare& prepare,
                                                 std::vector<RelationLock> prepare_locks) {
  StepOutcome outcome;
  bool is_sure = true;  // the cheap check is enough
  Preflight preflight(session, task, std::move(prepare_locks));
  const auto once = [&]() -> absl::Status {
    if (is_sure && !prepare && IsPlain(task) && !IsWatched(session, task)) {
      return RunPlainSteps(session, {&task, 1}, preflight.limits());
    }
    Attempt attempt(session, task, preflight.limits(), prepare);
    const absl::Status status = attempt.RunInParts();
    outcome = attempt.TakeOutcome();
    return status;
  };
  absl::Status status = RetryOnLocks(session, task, session.connection, once, &preflight);
  if (pg::SqlStateOf(status) == kCheckUnsureState) {
    is_sure = false;
    status = RetryOnLocks(session, task, session.connection, once, &preflight);
  }
  RETURN_IF_ERROR(status);
  // Hidden code may have changed the session itself, behind settings that only last for the
  // transaction.
  if (task.script.is_opaque || task.script.facts.has_hidden_code) {
    RETURN_IF_ERROR(ResetSession(session.connection));
  }
  // Temporary tables of a history last for the revision, as they did for the file of its tool.
  const bool ends = task.direction == Direction::kUp ? task.is_last : task.step.ordinal == 1;
  if (task.revision.phase == Phase::kLegacy && ends) {
    RETURN_IF_ERROR(session.connection.Script("DISCARD TEMP;").status());
  }
  return outcome;
}

}  // namespace lockstep::migration
