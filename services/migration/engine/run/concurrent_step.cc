#include "services/migration/engine/run/concurrent_step.h"

#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/catalog_state.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/step_intents.h"
#include "services/migration/engine/run/undo.h"
#include "services/migration/engine/sql.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

std::string TagOf(const Script& alone) {
  return alone.facts.tags.empty() ? "" : alone.facts.tags.front();
}

// nullptr: the statement builds no index.
const IndexBuild* BuildOf(const Script& alone) {
  return TagOf(alone) == "CREATE INDEX" && alone.facts.concurrent_indexes.size() == 1
             ? &alone.facts.concurrent_indexes.front()
             : nullptr;
}

std::string QuotedName(const IndexBuild& build) {
  return pg::QuoteIdentifier(build.schema) + "." + pg::QuoteIdentifier(build.name);
}

// Whether two statements do the same, however they are spelled.
absl::StatusOr<bool> MeanTheSame(const std::string& one, const std::string& other) {
  if (one == other) return true;
  ASSIGN_OR_RETURN(const Script first, ReadScript("", one));
  ASSIGN_OR_RETURN(const Script second, ReadScript("", other));
  return first.facts.tags == second.facts.tags && first.facts.written == second.facts.written &&
         first.facts.read == second.facts.read &&
         first.facts.concurrent_indexes == second.facts.concurrent_indexes;
}

// The words of a statement in upper case, a space around each.
std::string Words(const std::string& statement) {
  std::string words = " ";
  for (const Word& word : CodeWords(statement)) words += word.text + " ";
  return words;
}

class ConcurrentStep {
 public:
  ConcurrentStep(RunSession& session, const StepTask& task)
      : session_(session), task_(task), started_(absl::Now()) {}

  absl::StatusOr<StepOutcome> Run(const UndoRequest& undo);
  absl::Status ClearBegun();

 private:
  absl::Status RunStatement(int number, const std::string& statement);
  absl::Status BuildIndex(const IndexBuild& build, const std::string& statement, bool is_ours);
  absl::Status BuildOnce(const IndexBuild& build, const std::string& statement, absl::Time give_up,
                         bool& is_ours);
  absl::StatusOr<std::optional<IndexState>> WaitForBuilder(const IndexBuild& build,
                                                           absl::Time give_up);
  absl::Status AlterTable(const ScriptFacts& facts, const std::string& statement, bool is_ours);
  absl::Status DropIndex(const std::string& quoted_name);
  absl::Status DropReindexLeftovers(const ScriptFacts& facts);
  absl::Status DropLeftover(const IndexBuild& build);
  // Takes back what an announced statement left. False: only the step's own undo could.
  absl::StatusOr<bool> Clear(const std::string& statement);
  absl::Status ClearSuperseded();
  absl::Status Announce(int number, const std::string& statement);
  // Sends one statement outside of any transaction, as the owner, right after a lease check.
  absl::Status SendOnce(const std::string& statement, bool is_online_build);
  absl::Status Send(const std::string& statement, bool is_online_build);
  // Runs `attempt` with patience for locks; STEP_FAILED for what else the server refuses.
  absl::Status Patiently(absl::FunctionRef<absl::Status()> attempt);
  absl::Status Record();

  RunSession& session_;
  const StepTask& task_;
  const absl::Time started_;
  Intents intents_;  // of earlier attempts
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
  ASSIGN_OR_RETURN(intents_, LoadIntents(session_.connection, task_.revision, task_.step.ordinal,
                                         task_.direction));
  RETURN_IF_ERROR(ClearSuperseded());
  for (std::size_t i = 0; i < task_.script.statements.size(); ++i) {
    RETURN_IF_ERROR(MayGoOn(session_));
    RETURN_IF_ERROR(RunStatement(static_cast<int>(i) + 1, task_.script.statements[i]));
  }
  RETURN_IF_ERROR(Record());
  return outcome;
}

absl::Status ConcurrentStep::ClearBegun() {
  ASSIGN_OR_RETURN(intents_, LoadIntents(session_.connection, task_.revision, task_.step.ordinal,
                                         Direction::kUp));
  for (auto intent = intents_.rbegin(); intent != intents_.rend(); ++intent) {
    ASSIGN_OR_RETURN(const bool is_clear, Clear(intent->second));
    if (is_clear) continue;
    return Error(absl::StatusCode::kFailedPrecondition, "STEP_HALF_DONE",
                 task_.text() + ": the step was broken off after \"" + intent->second +
                     "\" took effect; `lockstep upgrade` finishes it, then it can be undone");
  }
  return RecordInLedger(
      session_, "", ForgetAllSql(task_.revision, task_.step.ordinal),
      {task_.Event("leftover_cleared",
                   task_.text() + ": the step was never done; nothing of it is left")});
}

absl::StatusOr<bool> ConcurrentStep::Clear(const std::string& statement) {
  ASSIGN_OR_RETURN(const Script alone, ReadScript(task_.script.file, statement));
  const std::string tag = TagOf(alone);
  if (const IndexBuild* build = BuildOf(alone); build != nullptr) {
    const absl::Time give_up = absl::Now() + absl::Seconds(task_.step.limits.retry_for_seconds);
    ASSIGN_OR_RETURN(const std::optional<IndexState> there, WaitForBuilder(*build, give_up));
    if (!there.has_value()) return true;
    ASSIGN_OR_RETURN(const bool is_ours, IsDefinedAs(*there, *build));
    // Of another definition: somebody else's.
    if (is_ours) RETURN_IF_ERROR(Patiently([&] { return DropLeftover(*build); }));
    return true;
  }
  if (tag == "REINDEX") {
    RETURN_IF_ERROR(DropReindexLeftovers(alone.facts));
    return true;
  }
  if (tag == "DROP INDEX") return IsAnyIndexWhole(session_.connection, alone.facts);
  if (tag == "ALTER TABLE" && Words(statement).find(" DETACH PARTITION ") != std::string::npos) {
    ASSIGN_OR_RETURN(const auto attached, LookAtAttachment(session_.connection, alone.facts));
    return attached.has_value() && !attached->is_pending;
  }
  return true;
}

// The file was mended after an attempt: what only the old text made goes.
absl::Status ConcurrentStep::ClearSuperseded() {
  const std::vector<std::string>& statements = task_.script.statements;
  for (auto intent = intents_.begin(); intent != intents_.end();) {
    const auto index = static_cast<std::size_t>(intent->first) - 1;
    bool is_same = index < statements.size();
    if (is_same) {
      ASSIGN_OR_RETURN(is_same, MeanTheSame(intent->second, statements[index]));
    }
    if (is_same) {
      ++intent;
      continue;
    }
    RETURN_IF_ERROR(Clear(intent->second).status());
    RETURN_IF_ERROR(
        RecordInLedger(session_, "", ForgetSql(task_, task_.direction, intent->first), {}));
    intent = intents_.erase(intent);
  }
  return absl::OkStatus();
}

absl::Status ConcurrentStep::Announce(int number, const std::string& statement) {
  Killpoint("concurrent_before_intent");
  RETURN_IF_ERROR(TranslateLedgerError(
      RunScript(session_.connection, "BEGIN;\n" + AssertLeaseSql(session_.key) +
                                         AnnounceSql(session_, task_, number, statement) +
                                         "COMMIT;")
          .status()));
  Killpoint("concurrent_intent_recorded");
  return absl::OkStatus();
}

absl::Status ConcurrentStep::RunStatement(int number, const std::string& statement) {
  ASSIGN_OR_RETURN(const Script alone, ReadScript(task_.script.file, statement));
  const std::string tag = TagOf(alone);
  const IndexBuild* build = BuildOf(alone);
  // What an unfinished undo left of an applied step is the step's own.
  const bool is_ours =
      intents_.contains(number) || (task_.is_half_undone && task_.direction == Direction::kUp);
  // An index that stands there before the first attempt is somebody else's and stays so: nothing is
  // announced that would make it ours.
  bool is_foreign = false;
  if (build != nullptr && !is_ours) {
    ASSIGN_OR_RETURN(const auto there, LookAtIndex(session_.connection, *build));
    is_foreign = there.has_value();
  }
  if (!is_foreign) RETURN_IF_ERROR(Announce(number, statement));
  if (build != nullptr) return BuildIndex(*build, statement, is_ours);
  if (tag == "DROP INDEX") {
    ASSIGN_OR_RETURN(const bool is_there, IsAnyIndexThere(session_.connection, alone.facts));
    // Gone already, by the attempt that crashed: done.
    if (is_ours && !is_there) return absl::OkStatus();
    return Send(statement, true);
  }
  if (tag == "REINDEX") {
    if (is_ours) RETURN_IF_ERROR(DropReindexLeftovers(alone.facts));
    return Send(statement, true);
  }
  if (tag == "REFRESH MATERIALIZED VIEW" || tag == "VACUUM" || tag == "ANALYZE") {
    return Send(statement, false);
  }
  if (tag == "ALTER TABLE") return AlterTable(alone.facts, statement, is_ours);
  return Error(absl::StatusCode::kFailedPrecondition, "NON_TRANSACTIONAL_UNSUPPORTED",
               task_.text() + ": after a crash nobody could tell whether \"" + tag + "\" was done");
}

// The index once nobody else is at work on it.
absl::StatusOr<std::optional<IndexState>> ConcurrentStep::WaitForBuilder(const IndexBuild& build,
                                                                         absl::Time give_up) {
  for (int tries = 0;; ++tries) {
    RETURN_IF_ERROR(MayGoOn(session_));
    ASSIGN_OR_RETURN(std::optional<IndexState> there, LookAtIndex(session_.connection, build));
    if (!there.has_value() || there->is_valid || there->builder_pid == 0) return there;
    if (absl::Now() > give_up) {
      return Error(absl::StatusCode::kFailedPrecondition, "STEP_BLOCKED",
                   absl::StrFormat("%s: index %s.%s is being built by pid %d", task_.text(),
                                   build.schema, build.name, there->builder_pid))
          .With("blocker_pid", there->builder_pid);
    }
    RETURN_IF_ERROR(Sleep(session_.context, Backoff(tries)));
  }
}

absl::Status ConcurrentStep::DropIndex(const std::string& quoted_name) {
  Killpoint("concurrent_before_drop_leftover");
  return SendOnce("DROP INDEX CONCURRENTLY IF EXISTS " + quoted_name, true);
}

absl::Status ConcurrentStep::DropLeftover(const IndexBuild& build) {
  session_.journal.Emit(task_.Event("index_resumed", "index " + build.schema + "." + build.name +
                                                         " was left by an attempt that did not "
                                                         "come to its end; it is dropped"));
  return DropIndex(QuotedName(build));
}

absl::Status ConcurrentStep::DropReindexLeftovers(const ScriptFacts& facts) {
  ASSIGN_OR_RETURN(const auto leftovers, ReindexLeftovers(session_.connection, facts));
  for (const std::string& name : leftovers) {
    RETURN_IF_ERROR(Patiently([&] { return DropIndex(name); }));
  }
  return absl::OkStatus();
}

absl::Status ConcurrentStep::BuildOnce(const IndexBuild& build, const std::string& statement,
                                       absl::Time give_up, bool& is_ours) {
  ASSIGN_OR_RETURN(
      const std::optional<IndexState> before,
      is_ours ? WaitForBuilder(build, give_up) : LookAtIndex(session_.connection, build));
  if (before.has_value() && is_ours) {
    ASSIGN_OR_RETURN(const bool is_same, IsDefinedAs(*before, build));
    if (!is_same) {
      return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
                   task_.text() + ": an index " + build.schema + "." + build.name +
                       " of another definition is in the way: " + before->definition);
    }
    if (before->is_valid) return absl::OkStatus();
    RETURN_IF_ERROR(DropLeftover(build));
  }
  const absl::Status sent = SendOnce(statement, true);
  if (sent.ok() || session_.connection.is_lost()) return sent;
  // Cancelled or overtaken: whoever comes next finds the intent and what stands there.
  RETURN_IF_ERROR(MayGoOn(session_));
  // A failed build leaves an invalid index that costs every write; do not leave it for the next
  // run. Without an intent of ours from before, what stands there may be somebody else's.
  ASSIGN_OR_RETURN(const std::optional<IndexState> after, LookAtIndex(session_.connection, build));
  const bool is_new = after.has_value() && !after->is_valid && (is_ours || !before.has_value());
  if (!before.has_value()) is_ours = true;
  if (is_new) RETURN_IF_ERROR(DropLeftover(build));
  return sent;
}

absl::Status ConcurrentStep::BuildIndex(const IndexBuild& build, const std::string& statement,
                                        bool is_ours) {
  const absl::Time give_up = absl::Now() + absl::Seconds(task_.step.limits.retry_for_seconds);
  RETURN_IF_ERROR(Patiently([&] { return BuildOnce(build, statement, give_up, is_ours); }));
  ASSIGN_OR_RETURN(const std::optional<IndexState> built, LookAtIndex(session_.connection, build));
  const bool is_done = built.has_value() && built->is_valid;
  ASSIGN_OR_RETURN(const bool is_same,
                   is_done ? IsDefinedAs(*built, build) : absl::StatusOr<bool>(false));
  if (is_done && is_same) return absl::OkStatus();
  // IF NOT EXISTS reports success although an invalid or different index stands there.
  return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
               task_.text() + ": index " + build.schema + "." + build.name +
                   " is not there as the script defines it");
}

absl::Status ConcurrentStep::AlterTable(const ScriptFacts& facts, const std::string& statement,
                                        bool is_ours) {
  const std::string words = Words(statement);
  const auto has = [&](std::string_view part) { return words.find(part) != std::string::npos; };
  // Validating what is valid does nothing.
  if (has(" VALIDATE CONSTRAINT ") && !has(" DETACH PARTITION ")) return Send(statement, false);
  if (!has(" DETACH PARTITION ")) {
    return Error(absl::StatusCode::kFailedPrecondition, "NON_TRANSACTIONAL_UNSUPPORTED",
                 task_.text() +
                     ": of ALTER TABLE only VALIDATE CONSTRAINT, DETACH PARTITION ... CONCURRENTLY "
                     "and ... FINALIZE run outside transactions");
  }
  return Patiently([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto attached, LookAtAttachment(session_.connection, facts));
    if (is_ours && !attached.has_value()) return absl::OkStatus();
    // An attempt of ours that was cut off between its two transactions.
    const bool finishes = is_ours && attached->is_pending;
    is_ours = true;
    return SendOnce(finishes ? "ALTER TABLE " + attached->parent + " DETACH PARTITION " +
                                   attached->part + " FINALIZE"
                             : statement,
                    false);
  });
}

absl::Status ConcurrentStep::SendOnce(const std::string& statement, bool is_online_build) {
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
  connection.SetAfterSendHook([] { Killpoint("concurrent_sent"); });
  const absl::Status sent = connection.Query(statement).status();
  connection.SetAfterSendHook({});
  if (connection.is_lost()) return sent;
  Killpoint("concurrent_done");
  const absl::Status reset = ResetSession(connection);
  return sent.ok() ? reset : sent;
}

absl::Status ConcurrentStep::Send(const std::string& statement, bool is_online_build) {
  return Patiently([&] { return SendOnce(statement, is_online_build); });
}

absl::Status ConcurrentStep::Patiently(absl::FunctionRef<absl::Status()> attempt) {
  const absl::Status status = RetryOnLocks(session_, task_, session_.connection, attempt);
  const bool is_servers = !pg::SqlStateOf(status).empty() && ReasonOf(status) != "STEP_BLOCKED";
  if (status.ok() || session_.connection.is_lost() || !is_servers) return status;
  return ScriptError("STEP_FAILED", task_.text() + " failed at " + task_.script.file, status);
}

absl::Status ConcurrentStep::Record() {
  Killpoint("concurrent_before_record");
  const std::string duration = std::to_string(absl::ToInt64Milliseconds(absl::Now() - started_));
  RETURN_IF_ERROR(RecordInLedger(session_, "", RecordAnnouncedSql(session_, task_, duration),
                                 task_.FinishedEvents()));
  Killpoint("concurrent_recorded");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StepOutcome> RunConcurrentStep(RunSession& session, const StepTask& task,
                                              const UndoRequest& undo) {
  return ConcurrentStep(session, task).Run(undo);
}

absl::Status ClearBegunStep(RunSession& session, const StepTask& task) {
  return ConcurrentStep(session, task).ClearBegun();
}

}  // namespace lockstep::migration
