#include "services/migration/engine/run/plan_runner.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/backfill/backfill_step.h"
#include "services/migration/engine/run/build_ledger.h"
#include "services/migration/engine/run/concurrent_step.h"
#include "services/migration/engine/run/contract_gate.h"
#include "services/migration/engine/run/cross_owner.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/plan_check.h"
#include "services/migration/engine/run/plan_notes.h"
#include "services/migration/engine/run/privileged_step.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "services/migration/engine/run/repeatable_run.h"
#include "services/migration/engine/run/restore_point.h"
#include "services/migration/engine/run/run_verification.h"
#include "services/migration/engine/run/soak.h"
#include "services/migration/engine/run/standby_spacing.h"
#include "services/migration/engine/run/step_intents.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

int CountSteps(const Plan& plan) {
  int count = 0;
  for (const PlanItem& item : plan.items) count += static_cast<int>(item.steps.size());
  return count;
}

absl::Status SetStepsTotal(RunSession& session, int total) {
  return session.connection
      .Query("UPDATE migration.runs SET steps_total = $2 WHERE run_id = $1",
             session.journal.run_id(), total)
      .status();
}

absl::StatusOr<StepOutcome> RunByKind(RunSession& session, const StepTask& task,
                                      const UndoRequest& undo) {
  switch (task.step.kind) {
    case StepKind::kTransactional:
      break;
    case StepKind::kNonTransactional:
      return RunConcurrentStep(session, task, undo);
    case StepKind::kPrivileged:
      return RunPrivilegedStep(session, task, undo);
    case StepKind::kBackfill:
      if (task.direction == Direction::kUp) return RunBackfillStep(session, task);
      break;  // its undo is one transaction
  }
  if (task.direction == Direction::kUp) return RunTransactionalStep(session, task);
  const auto prepare = [&](pg::Connection& connection) {
    return PrepareUndo(session, task, undo, connection);
  };
  return RunTransactionalStep(session, task, prepare, LocksOfPreparing(task, undo));
}

// Looks around before the first step, and settles what the run may do to others.
absl::Status LookFirst(RunSession& session, const RunOptions& run) {
  session.cancel_blockers = run.cancel_blockers;
  return LoadWasThere(session);
}

// What is there under another name now counts as there.
bool RenamesRelations(const Script& script) {
  return std::any_of(script.facts.tags.begin(), script.facts.tags.end(), [](const auto& tag) {
    return tag.ends_with(" RENAME") || tag == "ALTER SCHEMA OF";
  });
}

// Waits while somebody keeps the run paused.
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

bool IsOneTransaction(const StepTask& task) {
  return task.step.kind == StepKind::kTransactional ||
         (task.step.kind == StepKind::kBackfill && task.direction == Direction::kDown);
}

}  // namespace

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
  return RenamesRelations(task.script) ? LoadWasThere(session) : absl::OkStatus();
}

namespace {

absl::Status RunStep(RunSession& session, const StepTask& task, const UndoRequest& undo,
                     RunReport& report) {
  return RunStepWith(
      session, task, [&] { return RunByKind(session, task, undo); }, report);
}

// Every step is done, only the revision is not recorded: an undo was broken off before its first
// step.
absl::Status CompleteRevision(RunSession& session, const Revision& revision) {
  return RecordInLedger(
      session, "revision " + revision.id, RecordRevisionSql(session.sql, revision),
      {{.kind = "revision_finished",
        .message = "revision " + revision.id + " (" + revision.title + ") is applied",
        .revision = revision.id}});
}

// Whether the ledger has the step as done with an undo that is not finished.
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

// A step of a CONTRACT waits at its revision's gate first, and again when somebody came meanwhile.
absl::Status RunUpStep(RunSession& session, ContractGate& gate, StepTask& task, RunReport& report) {
  while (true) {
    // The gate comes last: what it saw is not to grow old.
    RETURN_IF_ERROR(AwaitResumption(session));
    RETURN_IF_ERROR(AwaitSpacing(session, task));
    RETURN_IF_ERROR(gate.Await(task));
    // Somebody may have made a view meanwhile.
    RETURN_IF_ERROR(MayDrop(session.connection, {{&task.revision, &task.step, &task.step.up}}));
    const absl::Status status = RunStep(session, task, {}, report);
    if (ReasonOf(status) != "GATE_CHANGED") return status;
    gate.Close();
  }
}

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
  EmitNotes(session, coming);
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

// A run that does something also tidies up. That this fails is no reason to do nothing.
void PurgeQuietly(RunSession& session) {
  int purged = 0;
  const absl::Status status = PurgeExpiredArchives(session, purged);
  if (status.ok() || session.connection.is_lost()) return;
  session.journal.Emit(
      {.kind = "warning", .message = "expired archives could not be purged: " + MessageOf(status)});
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

}  // namespace

absl::Status RunUpgrade(RunSession& session, std::string_view target, const RunOptions& run,
                        RunReport& report) {
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(session.connection, session.graph));
  ASSIGN_OR_RETURN(const Plan plan, PlanUpgrade(session.graph, state, target));
  RETURN_IF_ERROR(CheckReviewed(session.connection, session.graph, state, plan, run));
  session.force_freeze = run.force_freeze;
  ASSIGN_OR_RETURN(const Leftovers left, FindLeftovers(session));
  Killpoint("planned");
  report.heads = HeadsOf(session.graph, state);
  const std::vector<PlannedRepeatable> repeatables = PlanRepeatables(session.graph, state, plan);
  if (!HasWork(plan, repeatables, state)) {
    report.nothing_to_do = left.runs.empty() || !run.verify;
    return report.nothing_to_do ? absl::OkStatus() : VerifyTouched(session, {}, left, report);
  }
  RETURN_IF_ERROR(MayBegin(session));
  session.force_gate = run.force_gate;
  RETURN_IF_ERROR(MayChangeBuilds(session, plan));
  const std::vector<ComingStep> all = ComingUp(session.graph, plan);
  RETURN_IF_ERROR(MayDrop(session.connection, all));
  RETURN_IF_ERROR(SetStepsTotal(session, CountSteps(plan) + static_cast<int>(repeatables.size())));
  PurgeQuietly(session);
  RETURN_IF_ERROR(ClearStrayBackfills(session));
  RETURN_IF_ERROR(LookFirst(session, run));
  EmitNotes(session, all);
  Touched touched;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = session.graph.at(item.position);
    RETURN_IF_ERROR(MayStillChangeBuilds(session, plan, item));
    ContractGate gate(session, item.position, run.gate_wait.value_or(session.options.gate_wait));
    for (const std::size_t index : item.steps) {
      const Step& step = revision.steps[index];
      StepTask task{.revision = revision,
                    .step = step,
                    .direction = Direction::kUp,
                    .script = step.up,
                    .is_last = index == item.steps.back(),
                    .is_half_undone = IsHalfUndone(state, revision, step.ordinal)};
      if (step.kind != StepKind::kBackfill && WasBegun(state, revision, step.ordinal)) {
        // Its file said something else when it was begun.
        RETURN_IF_ERROR(ClearBegunBackfill(session, task));
      }
      RETURN_IF_ERROR(RunUpStep(session, gate, task, report));
      touched.Add(revision, step.up);
    }
    if (item.steps.empty()) RETURN_IF_ERROR(CompleteRevision(session, revision));
    touched.revisions.insert(revision.id);
    report.revisions.push_back(revision.id);
  }
  RETURN_IF_ERROR(RunRepeatables(session, state, plan, repeatables, touched, report));
  if (!run.verify) {
    report.heads = plan.to_heads;
    return absl::OkStatus();
  }
  return VerifyTouched(session, std::move(touched), left, report);
}

absl::Status RunDowngrade(RunSession& session, std::string_view target, const RunOptions& run,
                          RunReport& report) {
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(session.connection, session.graph));
  ASSIGN_OR_RETURN(const Plan plan, PlanDowngrade(session.graph, state, target));
  RETURN_IF_ERROR(CheckReviewed(session.connection, session.graph, state, plan, run));
  session.force_freeze = run.force_freeze;
  ASSIGN_OR_RETURN(const Leftovers left, FindLeftovers(session));
  Killpoint("planned");
  report.heads = HeadsOf(session.graph, state);
  // Also where nothing else is to be done: it is the way to give access back.
  RETURN_IF_ERROR(BreakOffSoaks(session));
  if (!HasWork(plan, {}, state)) {
    report.nothing_to_do = left.runs.empty() || !run.verify;
    return report.nothing_to_do ? absl::OkStatus() : VerifyTouched(session, {}, left, report);
  }
  RETURN_IF_ERROR(MayBegin(session));
  RETURN_IF_ERROR(LookFirst(session, run));
  if (absl::Status allowed = MayDowngrade(session, state, plan, run); !allowed.ok()) {
    // A run before this one may have been killed after it had set them aside.
    Touched ignored;
    PutRepeatablesBackQuietly(session, ignored, report);
    return allowed;
  }
  RETURN_IF_ERROR(MayChangeBuilds(session, plan));
  RETURN_IF_ERROR(SetStepsTotal(session, CountSteps(plan)));
  PurgeQuietly(session);
  RETURN_IF_ERROR(ClearStrayBackfills(session));
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
  if (!run.verify) {
    report.heads = plan.to_heads;
    return absl::OkStatus();
  }
  return VerifyTouched(session, std::move(touched), left, report);
}

absl::Status RunStamp(RunSession& session, std::string_view target, RunReport& report) {
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(session.connection, session.graph));
  ASSIGN_OR_RETURN(const Plan up, PlanUpgrade(session.graph, state, target));
  ASSIGN_OR_RETURN(const Plan down, PlanDowngrade(session.graph, state, target));
  report.nothing_to_do = up.empty() && down.empty();
  std::string sql;
  for (const PlanItem& item : down.items) {
    const Revision& revision = session.graph.at(item.position);
    sql += BeginUndoSql(revision);
    for (const std::size_t index : item.steps) {
      sql += RecordUndoSql(session.sql, revision, revision.steps[index], "0");
      ++report.steps_run;
    }
    sql += ForgetRevisionSql(revision) + ForgetSoakSql(revision);
    report.revisions.push_back(revision.id);
  }
  for (const PlanItem& item : up.items) {
    const Revision& revision = session.graph.at(item.position);
    for (const std::size_t index : item.steps) {
      const Step& step = revision.steps[index];
      sql += IsHalfUndone(state, revision, step.ordinal)
                 ? RecordAgainSql(session.sql, revision, step)
                 : RecordStepSql(session.sql, revision, step, "0");
      ++report.steps_run;
    }
    sql += RecordRevisionSql(session.sql, revision) + ForgetRevisionSql(revision);
    report.revisions.push_back(revision.id);
  }
  std::vector<Happening> tail = {
      {.kind = "stamped",
       .message = absl::StrFormat(
           "recorded %d revisions as applied and %d as not applied, without running them",
           up.items.size(), down.items.size())}};
  RETURN_IF_ERROR(RecordInLedger(session, "the stamp", sql, std::move(tail)));
  ASSIGN_OR_RETURN(const AppliedState after, LoadState(session.connection, session.graph));
  report.heads = HeadsOf(session.graph, after);
  return absl::OkStatus();
}

}  // namespace lockstep::migration
