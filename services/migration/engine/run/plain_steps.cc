#include "services/migration/engine/run/plain_steps.h"

#include <string>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/connection.h"
#include "common/pg/sqlstate.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/lock_retry.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

// What the log says once they are done. Of several also that each was started: until then nobody
// saw any of it.
std::vector<Happening> TailOf(absl::Span<const StepTask> tasks) {
  std::vector<Happening> tail;
  for (const StepTask& task : tasks) {
    if (tasks.size() > 1) tail.push_back(task.Event("step_started", task.text()));
    for (Happening& event : task.FinishedEvents()) tail.push_back(std::move(event));
  }
  return tail;
}

// Which of the tasks failed when so many statements of the message were done.
struct Failed {
  std::size_t task;
  int statement;  // of its script, from 0
};
Failed FindFailed(absl::Span<const StepTask> tasks, int done) {
  int statement = done - kPlainStatementsBefore;
  std::size_t task = 0;
  for (; task + 1 < tasks.size(); ++task) {
    const int count = static_cast<int>(tasks[task].script.statements.size());
    if (statement < count) break;
    statement -= count + kStatementsBetweenPlainSteps;
  }
  return {task, statement};
}

}  // namespace

bool IsPlain(const StepTask& task) {
  return task.direction == Direction::kUp && task.step.kind == StepKind::kTransactional &&
         task.ask_first.empty() && task.step.expect.empty() && !task.is_repeatable &&
         HidesNothing(task.script, BoundaryOf(task.revision));
}

absl::Status AtStatement(const StepTask& task, int index, const absl::Status& status) {
  std::string place = task.script.file;
  const int count = static_cast<int>(task.script.lines.size());
  if (index >= 0 && index < count) {
    place += ":" + std::to_string(task.script.lines[static_cast<std::size_t>(index)]);
  }
  return ScriptError("STEP_FAILED", task.text() + " failed at " + place, status);
}

absl::Status RunPlainSteps(RunSession& session, absl::Span<const StepTask> tasks,
                           const Limits& limits, std::optional<std::size_t>* failed) {
  const bool is_group = tasks.size() > 1;
  Killpoint(is_group ? "steps_before_message" : "step_before_message");
  std::vector<PlainStep> steps;
  std::string mended;
  for (const StepTask& task : tasks) {
    steps.push_back({&task.revision, &task.step, task.is_last});
    mended += MendedSql(session, task);
  }
  if (absl::Status may = MayGoOn(session); !may.ok()) return may;
  const std::string sql =
      PlainStepsSql(session.sql, steps, limits, mended, session.journal.RecordJson(TailOf(tasks))) +
      "COMMIT;";
  session.connection.SetAfterSendHook(
      [&] { Killpoint(is_group ? "steps_commit_sent" : "step_commit_sent"); });
  const absl::Status sent = session.connection.Script(sql).status();
  session.connection.SetAfterSendHook({});
  if (sent.ok()) {
    session.journal.Committed();
    Killpoint(is_group ? "steps_committed" : "step_committed");
    return absl::OkStatus();
  }
  // Of a lost connection nobody knows yet whether it committed; the run finds out.
  if (!session.connection.is_lost()) session.journal.RolledBack();
  if (IsAboutLocks(sent)) return sent;
  const absl::Status translated = TranslateLedgerError(sent);
  if (translated != sent || session.connection.is_lost()) return translated;
  const std::string state = pg::SqlStateOf(sent);
  if (state.empty() || state == kCheckUnsureState) return sent;
  const Failed at = FindFailed(tasks, session.connection.completed_statements());
  if (failed != nullptr) *failed = at.task;
  return AtStatement(tasks[at.task], at.statement, sent);
}

}  // namespace lockstep::migration
