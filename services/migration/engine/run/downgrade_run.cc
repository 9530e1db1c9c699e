#include "services/migration/engine/run/plan_runs.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/backfill/backfill_step.h"
#include "services/migration/engine/run/concurrent_step.h"
#include "services/migration/engine/run/contract_gate.h"
#include "services/migration/engine/run/cross_owner.h"
#include "services/migration/engine/run/downgrade_blockers.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/plan_check.h"
#include "services/migration/engine/run/plan_frame.h"
#include "services/migration/engine/run/plan_notes.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "services/migration/engine/run/repeatable_run.h"
#include "services/migration/engine/run/run_verification.h"
#include "services/migration/engine/run/soak.h"
#include "services/migration/engine/run/step_intents.h"
#include "services/migration/engine/run/step_runner.h"
#include "services/migration/engine/run/undo.h"

namespace lockstep::migration {
namespace {

// What a step left that was begun outside of a transaction and never done.
absl::Status ClearBegun(RunSession& session, const Revision& revision, const Step& step) {
  RETURN_IF_ERROR(MayBegin(session));
  const StepTask task{
      .revision = revision, .step = step, .direction = Direction::kDown, .script = step.up};
  session.in_flight = InFlight{.text = task.text(), .otherwise = " is not finished"};
  // The files may say otherwise by now, so both kinds of leftovers are looked for.
  absl::Status status = ClearBegunBackfill(session, task);
  if (status.ok() && step.kind != StepKind::kBackfill) status = ClearBegunStep(session, task);
  if (session.connection.is_lost()) return status;
  session.in_flight.reset();
  if (!status.ok() && ReasonOf(status) != "LEASE_LOST") {
    RecordFailure(session, task, status).IgnoreError();
  }
  return status;
}

absl::Status UndoRevision(RunSession& session, const PlanItem& item, const AppliedState& state,
                          const RunOptions& run, Touched& touched, RunReport& report) {
  const Revision& revision = session.graph.at(item.position);
  const auto applied = state.revisions.find(revision.id);
  const bool was_complete = applied != state.revisions.end() && applied->second.is_complete;
  UndoRequest undo;
  undo.archive = run.archive;
  undo.guard_may_be_broken = !was_complete;
  ASSIGN_OR_RETURN(undo.guard, LoadArchivedScript(session.connection, revision.id, 0, "guard"));
  if (undo.guard.empty() && !was_complete) undo.guard = revision.guard;
  undo.asks_guard = true;
  std::vector<Script> downs;
  for (const std::size_t index : item.steps) {
    const Step& step = revision.steps[index];
    ASSIGN_OR_RETURN(Script down,
                     LoadArchivedScript(session.connection, revision.id, step.ordinal, "down"));
    if (down.file.empty() && !step.down.text.empty()) {
      return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVED_SCRIPT_DAMAGED",
                   "the ledger has no archived copy of " + step.down.file)
          .With("revision", std::string_view(revision.id));
    }
    downs.push_back(std::move(down));
  }
  std::vector<ComingStep> coming;
  for (std::size_t i = 0; i < downs.size(); ++i) {
    coming.push_back({&revision, &revision.steps[item.steps[i]], &downs[i]});
  }
  EmitNotes(session, coming, Direction::kDown);
  for (const std::size_t index : item.begun) {
    RETURN_IF_ERROR(ClearBegun(session, revision, revision.steps[index]));
  }
  for (std::size_t i = 0; i < downs.size(); ++i) {
    const Step& step = revision.steps[item.steps[i]];
    undo.later.clear();
    for (std::size_t later = i + 1; later < downs.size(); ++later) {
      undo.later.push_back(&downs[later]);
    }
    const StepTask task{.revision = revision,
                        .step = step,
                        .direction = Direction::kDown,
                        .script = downs[i],
                        .is_last = i + 1 == downs.size(),
                        .is_half_undone = IsHalfUndone(state, revision, step.ordinal)};
    RETURN_IF_ERROR(RunStep(session, task, undo, report));
    touched.Add(revision, downs[i]);
    undo.asks_guard = false;
    undo.guard_may_be_broken = true;
  }
  report.revisions.push_back(revision.id);
  session.journal.Emit(
      {.kind = "revision_finished",
       .message = "revision " + revision.id + " (" + revision.title + ") is undone",
       .revision = revision.id});
  return absl::OkStatus();
}

// For services that go on working after a downgrade that did not come to its end.
void PutRepeatablesBackQuietly(RunSession& session, Touched& touched, RunReport& report) {
  if (session.connection.is_lost() || !MayGoOn(session).ok()) return;
  const absl::Status status = PutRepeatablesBack(session, touched, report);
  if (status.ok() || session.connection.is_lost()) return;
  session.journal.Emit({.kind = "warning",
                        .message = "repeatable definitions that were set aside could not be put "
                                   "back: " +
                                   MessageOf(status) + "; the next run tries again"});
}

// What the undos would take from other owners, or cannot drop because of them. An undo that
// archives moves tables away instead, with what depends on them, so then only the step itself can
// tell.
absl::Status MayDropDown(RunSession& session, const Plan& plan, const RunOptions& run) {
  if (run.archive) return absl::OkStatus();
  ASSIGN_OR_RETURN(const UndoScripts undos, LoadUndos(session.connection, session.graph, plan));
  ASSIGN_OR_RETURN(const SetAside aside, FindInTheWay(session.connection, session.graph, plan));
  return MayDrop(session.connection, ComingDown(session.graph, plan, undos), Direction::kDown,
                 NamesOf(aside));
}

}  // namespace

absl::Status RunDowngrade(RunSession& session, std::string_view target, const RunOptions& run,
                          RunReport& report) {
  ASSIGN_OR_RETURN(const OpenedPlan opened,
                   OpenPlan(session, Direction::kDown, target, run, report));
  const AppliedState& state = opened.state;
  const Plan& plan = opened.plan;
  if (!HasWork(plan, {}, state)) {
    // The way to give access back.
    RETURN_IF_ERROR(BreakOffSoaks(session));
    return EndIdlePlan(session, opened, run, report);
  }
  RETURN_IF_ERROR(MayBegin(session));
  RETURN_IF_ERROR(LoadWasThere(session));
  absl::Status allowed = MayDowngrade(session, state, plan, run);
  if (allowed.ok()) allowed = MayDropDown(session, plan, run);
  if (!allowed.ok()) {
    // A run before this one may have been killed after it had set them aside.
    Touched ignored;
    PutRepeatablesBackQuietly(session, ignored, report);
    return allowed;
  }
  RETURN_IF_ERROR(MayChangeBuilds(session, plan));
  RETURN_IF_ERROR(BreakOffSoaks(session));
  RETURN_IF_ERROR(StartPlan(session, plan));
  Touched touched;
  absl::Status undone = SetRepeatablesAside(session, plan, touched, report);
  for (const PlanItem& item : plan.items) {
    if (undone.ok()) undone = MayStillChangeBuilds(session, plan, item);
    if (undone.ok()) undone = UndoRevision(session, item, state, run, touched, report);
  }
  if (!undone.ok()) {
    PutRepeatablesBackQuietly(session, touched, report);
    return undone;
  }
  RETURN_IF_ERROR(PutRepeatablesBack(session, touched, report));
  return EndPlan(session, opened, run, std::move(touched), report);
}

}  // namespace lockstep::migration
