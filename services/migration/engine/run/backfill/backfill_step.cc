#include "services/migration/engine/run/backfill/backfill_step.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/backfill.h"
#include "services/migration/engine/run/backfill/backfill_ledger.h"
#include "services/migration/engine/run/backfill/crew.h"
#include "services/migration/engine/run/backfill/range_check.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

class BackfillStep {
 public:
  BackfillStep(RunSession& session, const StepTask& task)
      : session_(session), task_(task), started_(absl::Now()) {}

  absl::StatusOr<StepOutcome> Run();

 private:
  const Backfill& backfill() const { return task_.step.backfill; }
  absl::Status Begin();
  absl::Status Cover();
  absl::Status CoverOnce();
  absl::Status Freeze();
  absl::Status Fill();
  absl::Status Verify();
  void Analyse();
  absl::Status Record();

  RunSession& session_;
  const StepTask& task_;
  const absl::Time started_;
  BackfillTable table_;
  BackfillRecord record_;
  std::optional<std::string> superseded_;  // takes away what another declaration made
  StepOutcome outcome_;
};

absl::StatusOr<StepOutcome> BackfillStep::Run() {
  ASSIGN_OR_RETURN(table_, LoadBackfillTable(session_.connection, backfill()));
  RETURN_IF_ERROR(Begin());
  RETURN_IF_ERROR(Freeze());
  RETURN_IF_ERROR(Fill());
  RETURN_IF_ERROR(Verify());
  Analyse();
  RETURN_IF_ERROR(Record());
  return std::move(outcome_);
}

absl::Status BackfillStep::Begin() {
  ASSIGN_OR_RETURN(auto found,
                   LoadBackfillRecord(session_.connection, task_.revision.id, task_.step.ordinal));
  if (found.has_value() && found->checksum != task_.step.checksum) {
    session_.journal.Emit(task_.Event(
        "backfill_restarted", task_.text() + " was declared otherwise when it was begun; it begins "
                                             "again from the first row"));
    // In the transaction that makes the new trigger: no write may slip in between.
    superseded_ = found->undo_sql;
    found.reset();
  }
  if (!found.has_value()) {
    RETURN_IF_ERROR(Cover());
    ASSIGN_OR_RETURN(
        found, LoadBackfillRecord(session_.connection, task_.revision.id, task_.step.ordinal));
  } else {
    RETURN_IF_ERROR(RecordInLedger(session_, "", TakeUpSql(session_, task_), {}));
    session_.journal.Emit(task_.Event(
        "backfill_resumed", absl::StrCat(task_.text(), " goes on: ", found->rows_walked,
                                         " of about ", found->rows_estimated, " rows are done")));
  }
  record_ = *std::move(found);
  return absl::OkStatus();
}

// From the commit of the trigger on every writer keeps the new columns right: CREATE TRIGGER waits
// for the transactions that wrote before. Only then may the ranges be frozen.
absl::Status BackfillStep::Cover() {
  Killpoint("backfill_before_trigger");
  const absl::Status covered =
      RetryOnLocks(session_, task_, session_.connection, [&] { return CoverOnce(); });
  Killpoint("backfill_trigger_committed");
  return covered;
}

absl::Status BackfillStep::CoverOnce() {
  const std::string sql = absl::StrCat(
      BeginSql(session_.sql, task_.step.limits),
      superseded_.has_value() ? ForgetBackfillSql(task_.revision.id, task_.step.ordinal) : "",
      EnterRoleSql(OwnerRole(task_.revision.service)), superseded_.value_or(""),
      JoinStatements(CreateSyncStatements(backfill())), "SET LOCAL ROLE NONE;\n",
      BeginBackfillSql(session_, task_, table_.rows), "COMMIT;");
  const auto done = session_.connection.Script(sql);
  if (done.ok() || IsAboutLocks(done.status()) || session_.connection.is_lost()) {
    return done.status();
  }
  const std::string state = pg::SqlStateOf(done.status());
  const absl::Status translated = TranslateLedgerError(done.status());
  if (translated != done.status() || state.empty()) return translated;
  // The ledger has one unfinished backfill of a table at most.
  if (state == "23505") {
    return Error(absl::StatusCode::kFailedPrecondition, "BACKFILL_TABLE_BUSY",
                 task_.text() + ": another backfill of " + backfill().table +
                     " is not finished; `lockstep backfills` names it")
        .With("table", std::string_view(backfill().table));
  }
  return ScriptError("STEP_FAILED",
                     task_.text() + ": the trigger that covers writes could not be made",
                     done.status());
}

absl::Status BackfillStep::Freeze() {
  if (record_.is_frozen) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto bounds, LoadBounds(session_.connection, table_));
  std::vector<KeyRange> ranges;
  if (bounds.has_value()) {
    // More ranges than workers, since some take longer than others.
    constexpr int kRangesPerWorker = 4;
    const int parts = backfill().workers == 1 ? 1 : backfill().workers * kRangesPerWorker;
    ASSIGN_OR_RETURN(ranges, SplitRange(session_.connection, table_, *bounds, parts));
  }
  const std::string over =
      bounds.has_value()
          ? absl::StrCat("keys from ", absl::StrJoin(bounds->lo, ", "), " to ",
                         absl::StrJoin(bounds->hi, ", "), ", about ", table_.rows, " rows")
          : "no rows";
  session_.journal.Emit(task_.Event(
      "backfill_started", absl::StrCat(task_.text(), ": ", backfill().table, ", ", over)));
  RETURN_IF_ERROR(RecordInLedger(session_, "", FreezeSql(task_, ranges), {}));
  Killpoint("backfill_frozen");
  return absl::OkStatus();
}

absl::Status BackfillStep::Fill() {
  ASSIGN_OR_RETURN(auto chunks,
                   LoadOpenChunks(session_.connection, task_.revision.id, task_.step.ordinal));
  if (chunks.empty()) return absl::OkStatus();
  Crew crew(session_, task_, table_, record_, std::move(chunks));
  return crew.Work();
}

absl::Status BackfillStep::Verify() {
  ASSIGN_OR_RETURN(const auto chunks,
                   LoadChunks(session_.connection, task_.revision.id, task_.step.ordinal));
  BackfillState state;
  state.state = "verifying";
  state.batch_rows = record_.batch_rows;
  RETURN_IF_ERROR(RecordInLedger(session_, "", StateSql(task_, state), {}));
  ASSIGN_OR_RETURN(outcome_.expectations,
                   CheckRanges(session_, task_, table_, chunks, [&]() -> absl::Status {
                     while (session_.attendant.is_paused()) {
                       RETURN_IF_ERROR(MayGoOn(session_));
                       RETURN_IF_ERROR(Sleep(session_.context, absl::Milliseconds(100)));
                     }
                     return MayGoOn(session_);
                   }));
  for (const VerificationResult& check : outcome_.expectations) {
    session_.journal.Emit(task_.Event("backfill_verified", task_.text() + ": " + check.actual));
  }
  Killpoint("backfill_verified");
  return absl::OkStatus();
}

// The planner should know the new values before anybody asks for them. That this fails is no reason
// to fail the step: autovacuum will do it.
void BackfillStep::Analyse() {
  const auto analysed = RunScript(
      session_.connection, absl::StrCat(BeginSql(session_.sql, task_.step.limits),
                                        EnterRoleSql(OwnerRole(task_.revision.service)), "ANALYZE ",
                                        QuotedTableName(backfill().table), ";\nCOMMIT;"));
  if (analysed.ok() || session_.connection.is_lost()) return;
  session_.journal.Emit(task_.Event("warning", backfill().table + " could not be analysed: " +
                                                   DescribeDatabaseError(analysed.status())));
}

absl::Status BackfillStep::Record() {
  Killpoint("backfill_before_record");
  const std::string duration = std::to_string(absl::ToInt64Milliseconds(absl::Now() - started_));
  std::string sql = MendedSql(session_, task_) +
                    RecordStepSql(session_.sql, task_.revision, task_.step, duration);
  if (task_.is_last) sql += RecordRevisionSql(session_.sql, task_.revision);
  sql += RecordChecksSql(session_.sql, outcome_.expectations) + FinishBackfillSql(task_);
  RETURN_IF_ERROR(RecordInLedger(session_, "", sql, task_.FinishedEvents()));
  Killpoint("backfill_recorded");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StepOutcome> RunBackfillStep(RunSession& session, const StepTask& task) {
  return BackfillStep(session, task).Run();
}

absl::Status ClearStrayBackfills(RunSession& session) {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      session.connection.Query("SELECT revision, ordinal, service, name, undo_sql FROM "
                               "migration.backfills WHERE finished_at IS NULL"));
  for (const pg::Row row : rows) {
    const std::string revision = row.Text("revision");
    const int ordinal = row.Get<std::int32_t>("ordinal");
    const auto position = session.graph.Find(revision);
    const auto is_declared = [&](const Step& step) {
      return step.ordinal == ordinal && step.kind == StepKind::kBackfill;
    };
    if (position.has_value() &&
        std::ranges::any_of(session.graph.at(*position).steps, is_declared)) {
      continue;
    }
    RETURN_IF_ERROR(RecordInLedger(
        session, "the end of a backfill of revision " + revision,
        EnterRoleSql(OwnerRole(row.Text("service"))) + row.Text("undo_sql") +
            "SET LOCAL ROLE NONE;\n" + ForgetBackfillSql(revision, ordinal),
        {{.kind = "leftover_cleared",
          .message = "backfill " + row.Text("name") + " of revision " + revision +
                     " was begun and is not declared any more; its trigger is gone"}}));
  }
  return absl::OkStatus();
}

absl::Status ClearBegunBackfill(RunSession& session, const StepTask& task) {
  ASSIGN_OR_RETURN(const auto record,
                   LoadBackfillRecord(session.connection, task.revision.id, task.step.ordinal));
  if (!record.has_value()) return absl::OkStatus();
  const std::string sql = absl::StrCat(
      BeginSql(session.sql, task.step.limits), EnterRoleSql(OwnerRole(task.revision.service)),
      record->undo_sql, "SET LOCAL ROLE NONE;\n",
      ForgetBackfillSql(task.revision.id, task.step.ordinal), "COMMIT;");
  const absl::Status cleared = RetryOnLocks(session, task, session.connection, [&] {
    return TranslateLedgerError(session.connection.Script(sql).status());
  });
  if (!cleared.ok()) return cleared;
  session.journal.Emit(task.Event(
      "leftover_cleared", task.text() + ": the backfill was never finished; its trigger is gone"));
  return absl::OkStatus();
}

}  // namespace lockstep::migration
