#include "services/migration/engine/run/concurrent_step.h"

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/partitioned_sql.h"
#include "services/migration/engine/run/alone_statement.h"
#include "services/migration/engine/run/catalog_state.h"
#include "services/migration/engine/run/index_builder.h"
#include "services/migration/engine/run/partition_state.h"
#include "services/migration/engine/run/partitioned_index.h"
#include "services/migration/engine/run/preflight.h"
#include "services/migration/engine/run/statement_text.h"
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
      : session_(session),
        task_(task),
        started_(absl::Now()),
        alone_(session, task),
        builder_(session, task, alone_),
        partitioned_(session, task, alone_, builder_) {}

  absl::StatusOr<StepOutcome> Run(const UndoRequest& undo);
  absl::Status ClearBegun();

 private:
  absl::Status RunStatement(int number, const std::string& statement);
  absl::Status BuildIndex(const IndexBuild& build, const std::string& statement, bool is_ours);
  absl::Status DropIndex(const ScriptFacts& facts, const std::string& statement, bool is_ours);
  absl::Status Reindex(const ScriptFacts& facts, const std::string& statement, bool is_ours);
  absl::Status AlterTable(const Script& alone, const std::string& statement, bool is_ours);
  absl::Status Validate(const Script& alone, const std::string& statement);
  absl::Status Detach(const Script& alone, const std::string& statement, bool is_ours);
  // All of them, or those that are not in `known`.
  absl::Status DropReindexLeftovers(const ScriptFacts& facts,
                                    const std::set<std::string>& known = {});
  // Takes back what an announced statement left. False: only the step's own undo could.
  absl::StatusOr<bool> Clear(const std::string& statement);
  absl::Status ClearSuperseded();
  absl::Status Announce(int number, const std::string& statement);
  absl::Status Record();

  RunSession& session_;
  const StepTask& task_;
  const absl::Time started_;
  Intents intents_;  // of earlier attempts
  AloneStatement alone_;
  IndexBuilder builder_;
  PartitionedIndex partitioned_;
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
    ASSIGN_OR_RETURN(const std::optional<IndexState> there, builder_.AwaitBuilder(*build));
    if (!there.has_value()) return true;
    ASSIGN_OR_RETURN(const bool is_ours, IsDefinedAs(*there, *build));
    // Of another definition: somebody else's.
    if (!is_ours) return true;
    ASSIGN_OR_RETURN(const bool is_partitioned,
                     IsPartitioned(session_.connection, build->schema + "." + build->name));
    RETURN_IF_ERROR(is_partitioned ? partitioned_.Drop(build->schema, build->name)
                                   : builder_.DropLeftover(*build));
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
  if (tag == "DROP INDEX") return DropIndex(alone.facts, statement, is_ours);
  if (tag == "REINDEX") return Reindex(alone.facts, statement, is_ours);
  if (tag == "REFRESH MATERIALIZED VIEW" || tag == "VACUUM" || tag == "ANALYZE") {
    Preflight preflight(session_, task_, {&alone});
    return alone_.SendPolitely(statement, preflight);
  }
  if (tag == "ALTER TABLE") return AlterTable(alone, statement, is_ours);
  return Error(absl::StatusCode::kFailedPrecondition, "NON_TRANSACTIONAL_UNSUPPORTED",
               task_.text() + ": after a crash nobody could tell whether \"" + tag + "\" was done");
}

absl::Status ConcurrentStep::BuildIndex(const IndexBuild& build, const std::string& statement,
                                        bool is_ours) {
  ASSIGN_OR_RETURN(const bool is_partitioned,
                   IsPartitioned(session_.connection, build.schema + "." + build.table));
  const auto parent = ParentIndexStatement(statement);
  if (is_partitioned && parent.has_value()) return partitioned_.Build(build, *parent, is_ours);
  return builder_.Build(build, statement, is_ours);
}

absl::Status ConcurrentStep::DropIndex(const ScriptFacts& facts, const std::string& statement,
                                       bool is_ours) {
  ASSIGN_OR_RETURN(const bool is_there, IsAnyIndexThere(session_.connection, facts));
  // Gone already, by the attempt that crashed: done.
  if (is_ours && !is_there) return absl::OkStatus();
  for (const std::string& name : facts.written) {
    ASSIGN_OR_RETURN(const bool is_partitioned, IsPartitioned(session_.connection, name));
    if (!is_partitioned) continue;
    return partitioned_.Drop(name.substr(0, name.find('.')), BareName(name));
  }
  RETURN_IF_ERROR(alone_.Send(statement, alone_.Unlimited()));
  ASSIGN_OR_RETURN(const bool is_left, IsAnyIndexThere(session_.connection, facts));
  if (!is_left) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
               task_.text() + ": the index is still there after \"" + statement + "\"");
}

absl::Status ConcurrentStep::Reindex(const ScriptFacts& facts, const std::string& statement,
                                     bool is_ours) {
  // What lies there before the first attempt is somebody else's.
  std::set<std::string> foreign;
  if (!is_ours) {
    ASSIGN_OR_RETURN(const auto there, ReindexLeftovers(session_.connection, facts));
    foreign.insert(there.begin(), there.end());
  }
  RETURN_IF_ERROR(DropReindexLeftovers(facts, foreign));
  const absl::Status sent = alone_.Send(statement, alone_.Unlimited());
  if (session_.connection.is_lost()) return sent;
  // A try that met a deadlock, or failed, leaves its twins, which cost every write.
  const absl::Status cleared = DropReindexLeftovers(facts, foreign);
  return sent.ok() ? cleared : sent;
}

absl::Status ConcurrentStep::DropReindexLeftovers(const ScriptFacts& facts,
                                                  const std::set<std::string>& known) {
  ASSIGN_OR_RETURN(const auto leftovers, ReindexLeftovers(session_.connection, facts));
  for (const std::string& name : leftovers) {
    if (!known.contains(name)) RETURN_IF_ERROR(builder_.Drop(name));
  }
  return absl::OkStatus();
}

absl::Status ConcurrentStep::AlterTable(const Script& alone, const std::string& statement,
                                        bool is_ours) {
  const std::string words = Words(statement);
  const auto has = [&](std::string_view part) { return words.find(part) != std::string::npos; };
  if (has(" DETACH PARTITION ")) return Detach(alone, statement, is_ours);
  if (has(" VALIDATE CONSTRAINT ")) return Validate(alone, statement);
  return Error(absl::StatusCode::kFailedPrecondition, "NON_TRANSACTIONAL_UNSUPPORTED",
               task_.text() +
                   ": of ALTER TABLE only VALIDATE CONSTRAINT, DETACH PARTITION ... CONCURRENTLY "
                   "and ... FINALIZE run outside transactions");
}

absl::Status ConcurrentStep::Validate(const Script& alone, const std::string& statement) {
  const auto names = ValidatedConstraints(statement);
  ASSIGN_OR_RETURN(const auto before, NotValidated(session_.connection, alone.facts, names));
  // Validated already, by the attempt that crashed or by a person: not even a lock is needed.
  if (before.empty()) return absl::OkStatus();
  // It scans as long as it takes, and blocks neither readers nor writers.
  RETURN_IF_ERROR(alone_.Send(statement, alone_.LongWork()));
  ASSIGN_OR_RETURN(const auto after, NotValidated(session_.connection, alone.facts, names));
  if (after.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
               task_.text() + ": constraint " + after.front() + " is not validated");
}

absl::Status ConcurrentStep::Detach(const Script& alone, const std::string& statement,
                                    bool is_ours) {
  Preflight preflight(session_, task_, {&alone});
  RETURN_IF_ERROR(alone_.Patiently(
      [&]() -> absl::Status {
        ASSIGN_OR_RETURN(const auto attached, LookAtAttachment(session_.connection, alone.facts));
        if (is_ours && !attached.has_value()) return absl::OkStatus();
        // An attempt of ours that was cut off between its two transactions.
        const bool finishes = is_ours && attached->is_pending;
        is_ours = true;
        return alone_.SendOnce(finishes ? "ALTER TABLE " + attached->parent + " DETACH PARTITION " +
                                              attached->part + " FINALIZE"
                                        : statement,
                               preflight.limits());
      },
      &preflight));
  ASSIGN_OR_RETURN(const auto left, LookAtAttachment(session_.connection, alone.facts));
  if (!left.has_value()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
               task_.text() + ": " + left->part + " is still a partition of " + left->parent);
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
