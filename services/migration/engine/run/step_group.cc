#include "services/migration/engine/run/step_group.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/plain_steps.h"
#include "services/migration/engine/run/step_runner.h"

namespace lockstep::migration {
namespace {

// Short enough that a cancellation, a freeze window or a successor waits for milliseconds.
constexpr std::size_t kMaxSteps = 32;
// Each may lock some new relations, and the server's table of locks is shared.
constexpr std::size_t kMaxStatements = 100;

constexpr std::array<std::string_view, 8> kCreating = {
    "CREATE TABLE", "CREATE INDEX", "CREATE VIEW", "CREATE SEQUENCE",
    "CREATE TYPE",  "COMMENT",      "GRANT",       "REVOKE"};

}  // namespace

bool StepGroup::OnlyCreates(const ScriptFacts& facts) const {
  const auto is_known = [&](const std::string& name) { return known_.contains(name); };
  return !facts.changes_schemas && std::ranges::none_of(facts.written, is_known) &&
         std::ranges::none_of(facts.read, is_known) &&
         std::ranges::all_of(facts.tags, [](const std::string& tag) {
           return std::ranges::find(kCreating, tag) != kCreating.end();
         });
}

bool StepGroup::Belongs(const StepTask& task) const {
  // What it measures it measures step by step. A certificate is no reason: what only creates locks
  // nothing that was there.
  if (session_.measured != nullptr || !IsPlain(task) || !OnlyCreates(task.script.facts) ||
      task.is_half_undone || task.was_begun || task.revision.phase == Phase::kContract ||
      session_.failed_checksums.contains({task.revision.id, task.step.ordinal})) {
    return false;
  }
  if (tasks_.empty()) return true;
  const StepTask& first = tasks_.front();
  return task.revision.service == first.revision.service &&
         task.revision.references == first.revision.references &&
         task.step.limits == first.step.limits;
}

bool StepGroup::Add(std::vector<StepTask> tasks) {
  std::size_t statements = statements_;
  for (const StepTask& task : tasks) {
    if (!Belongs(task)) return false;
    statements += task.script.statements.size();
  }
  if (tasks.empty() || tasks_.size() + tasks.size() > kMaxSteps || statements > kMaxStatements) {
    return false;
  }
  for (StepTask& task : tasks) tasks_.push_back(std::move(task));
  statements_ = statements;
  return true;
}

bool StepGroup::IsOfSteps(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return !pg::SqlStateOf(status).empty() || reason == "STEP_FAILED" || reason == "STEP_TAMPERED";
}

void StepGroup::TellRolledBack(const absl::Status& status) {
  Happening event;
  event.kind = "step_retried";
  event.message = absl::StrFormat(
      "%s and the %d after it were rolled back together (%s) and will "
      "be tried again in smaller pieces",
      tasks_.front().text(), size() - 1, MessageOf(status));
  event.details["direction"] = "up";
  event.details["sqlstate"] = pg::SqlStateOf(status);
  session_.journal.Emit(std::move(event));
}

absl::Status StepGroup::Run(RunReport& report) {
  RETURN_IF_ERROR(AwaitResumption(session_));
  RETURN_IF_ERROR(MayBegin(session_));
  session_.in_flight = InFlight{
      .text = absl::StrFormat("%s and the %d after it", tasks_.front().text(), size() - 1)};
  absl::Status status;
  {
    const Attendant::Watch watch(session_.attendant, {.kind = "", .message = ""});
    status = RunPlainSteps(session_, tasks_, tasks_.front().step.limits, &failed_);
  }
  if (session_.connection.is_lost()) return status;
  session_.in_flight.reset();
  if (session_.connection.is_in_transaction()) {
    RETURN_IF_ERROR(session_.connection.Script("ROLLBACK").status());
  }
  if (status.ok()) {
    report.steps_run += static_cast<int>(size());
  } else if (IsOfSteps(status)) {
    TellRolledBack(status);
  }
  return status;
}

}  // namespace lockstep::migration
