#include "services/migration/engine/run/step_runner.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/backfill/backfill_step.h"
#include "services/migration/engine/run/concurrent_step.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/measure/certified_step.h"
#include "services/migration/engine/run/privileged_step.h"
#include "services/migration/engine/run/restore_point.h"
#include "services/migration/engine/run/rewrite/view_rewrite_step.h"
#include "services/migration/engine/run/standby_spacing.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

absl::StatusOr<StepOutcome> RunByKind(RunSession& session, const StepTask& task,
                                      const UndoRequest& undo) {
  switch (task.step.kind) {
    case StepKind::kTransactional:
      break;
    case StepKind::kNonTransactional:
      if (task.direction == Direction::kDown) return RunConcurrentStep(session, task, undo);
      return MeasureAlone(session, [&] { return RunConcurrentStep(session, task, undo); });
    case StepKind::kPrivileged:
      return RunPrivilegedStep(session, task, undo);
    case StepKind::kBackfill:
      if (task.direction == Direction::kUp) return RunBackfillStep(session, task);
      break;  // its undo is one transaction
    case StepKind::kViewRewrite:
      return RunViewRewrite(session, task, undo);
  }
  if (task.direction == Direction::kUp) return RunTransactionalStep(session, task);
  const auto prepare = [&](pg::Connection& connection) {
    return PrepareUndo(session, task, undo, connection);
  };
  return RunTransactionalStep(session, task, prepare, LocksOfPreparing(task, undo));
}

bool IsOneTransaction(const StepTask& task) {
  return task.step.kind == StepKind::kTransactional || task.step.kind == StepKind::kViewRewrite ||
         (task.step.kind == StepKind::kBackfill && task.direction == Direction::kDown);
}

}  // namespace

bool RenamesRelations(const Script& script) {
  return std::any_of(script.facts.tags.begin(), script.facts.tags.end(), [](const auto& tag) {
    return tag.ends_with(" RENAME") || tag == "ALTER SCHEMA OF";
  });
}

absl::Status AwaitResumption(RunSession& session) {
  if (!session.attendant.is_paused()) return absl::OkStatus();
  session.journal.Emit(
      {.kind = "run_paused", .message = "the run is paused; `lockstep resume` lets it go on"});
  RETURN_IF_ERROR(FlushEvents(session));
  while (session.attendant.is_paused()) {
    RETURN_IF_ERROR(MayGoOn(session));
    RETURN_IF_ERROR(Sleep(session.context, absl::Milliseconds(100)));
  }
  session.journal.Emit({.kind = "run_resumed", .message = "the run goes on"});
  return absl::OkStatus();
}

absl::Status RunStepWith(RunSession& session, const StepTask& task,
                         absl::FunctionRef<absl::StatusOr<StepOutcome>()> body, RunReport& report) {
  Killpoint("step_begin");
  RETURN_IF_ERROR(AwaitResumption(session));
  RETURN_IF_ERROR(MayBegin(session));
  RETURN_IF_ERROR(AwaitSpacing(session, task));
  RETURN_IF_ERROR(MarkRestorePoint(session, task));
  session.in_flight = InFlight{.text = task.text()};
  if (!IsOneTransaction(task)) session.in_flight->otherwise = " is not finished";
  session.journal.Emit(task.Event("step_started", task.text()));
  if (task.script.is_opaque) {
    session.journal.Emit(task.Event("warning", task.script.file + kOpaqueWarning));
  }
  auto outcome = body();
  const absl::Status status = outcome.status();
  if (outcome.ok()) {
    for (auto& check : outcome->expectations) report.verifications.push_back(std::move(check));
    for (auto& archived : outcome->archives) report.archives.push_back(std::move(archived));
    if (outcome->measurement.has_value() && session.measured != nullptr) {
      session.measured->push_back(
          {task.revision.id, task.step.ordinal, *std::move(outcome->measurement)});
    }
  }
  if (session.connection.is_lost()) return status;
  session.in_flight.reset();
  // Nothing failed: the gate is looked at again.
  if (ReasonOf(status) == "GATE_CHANGED") return status;
  if (!status.ok()) {
    // What the person needs to know is why the step failed, not that the ledger could not be told.
    if (ReasonOf(status) != "LEASE_LOST") RecordFailure(session, task, status).IgnoreError();
    return status;
  }
  ++report.steps_run;
  NoteSpacing(session, task);
  Killpoint("step_end");
  // What is there under another name now counts as there.
  return RenamesRelations(task.script) ? LoadWasThere(session) : absl::OkStatus();
}

absl::Status RunStep(RunSession& session, const StepTask& task, const UndoRequest& undo,
                     RunReport& report) {
  return RunStepWith(
      session, task, [&] { return RunByKind(session, task, undo); }, report);
}

bool IsHalfUndone(const AppliedState& state, const Revision& revision, int ordinal) {
  const auto applied = state.revisions.find(revision.id);
  return applied != state.revisions.end() &&
         std::any_of(applied->second.steps.begin(), applied->second.steps.end(),
                     [&](const AppliedStep& step) {
                       return step.ordinal == ordinal && step.is_half_undone;
                     });
}

bool WasBegun(const AppliedState& state, const Revision& revision, int ordinal) {
  const auto applied = state.revisions.find(revision.id);
  return applied != state.revisions.end() &&
         std::ranges::find(applied->second.begun, ordinal) != applied->second.begun.end();
}

}  // namespace lockstep::migration
