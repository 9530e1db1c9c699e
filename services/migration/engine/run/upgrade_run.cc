#include "services/migration/engine/run/plan_runs.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/backfill/backfill_step.h"
#include "services/migration/engine/run/contract_gate.h"
#include "services/migration/engine/run/cross_owner.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/lint/plan_lint.h"
#include "services/migration/engine/run/measure/certificate_ledger.h"
#include "services/migration/engine/run/measure/forecast.h"
#include "services/migration/engine/run/plan_frame.h"
#include "services/migration/engine/run/plan_notes.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "services/migration/engine/run/repeatable_run.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/run_verification.h"
#include "services/migration/engine/run/standby_spacing.h"
#include "services/migration/engine/run/step_group.h"
#include "services/migration/engine/run/step_runner.h"

namespace lockstep::migration {
namespace {

// Every step is done, only the revision is not recorded: an undo was broken off before its first
// step.
absl::Status CompleteRevision(RunSession& session, const Revision& revision) {
  return RecordInLedger(
      session, "revision " + revision.id, RecordRevisionSql(session.sql, revision),
      {{.kind = "revision_finished",
        .message = "revision " + revision.id + " (" + revision.title + ") is applied",
        .revision = revision.id}});
}

// A step of a CONTRACT waits at its revision's gate first, and again when somebody came meanwhile.
absl::Status RunUpStep(RunSession& session, ContractGate& gate, StepTask& task, RunReport& report) {
  while (true) {
    // The gate comes last: what it saw is not to grow old.
    RETURN_IF_ERROR(AwaitResumption(session));
    RETURN_IF_ERROR(AwaitSpacing(session, task));
    RETURN_IF_ERROR(gate.Await(task));
    // Somebody may have made a view meanwhile.
    RETURN_IF_ERROR(
        MayDrop(session.connection, {{&task.revision, &task.step, &task.step.up}}, Direction::kUp));
    const absl::Status status = RunStep(session, task, {}, report);
    if (ReasonOf(status) != "GATE_CHANGED") return status;
    gate.Close();
  }
}

// The steps of one item of the plan, in order.
std::vector<StepTask> TasksOf(const RunSession& session, const AppliedState& state,
                              const PlanItem& item) {
  const Revision& revision = session.graph.at(item.position);
  std::vector<StepTask> tasks;
  for (const std::size_t index : item.steps) {
    const Step& step = revision.steps[index];
    tasks.push_back({.revision = revision,
                     .step = step,
                     .direction = Direction::kUp,
                     .script = step.up,
                     .is_last = index == item.steps.back(),
                     .is_half_undone = IsHalfUndone(state, revision, step.ordinal),
                     .was_begun = WasBegun(state, revision, step.ordinal)});
  }
  return tasks;
}

// One run upwards through its plan.
class Ascent {
 public:
  Ascent(RunSession& session, const AppliedState& state, const Plan& plan, const RunOptions& run,
         Touched& touched, RunReport& report)
      : session_(session),
        state_(state),
        plan_(plan),
        run_(run),
        touched_(touched),
        report_(report) {}

  absl::Status Run();

 private:
  // How many revisions one transaction applied; 0 = the next one is to be applied step by step.
  absl::StatusOr<std::size_t> RunTogether();
  absl::Status RunAlone(const PlanItem& item);
  // The item of the plan, from next_ on, to which a step of a group belongs.
  std::size_t ItemOf(std::size_t step) const;
  absl::Status Know();
  void Done(const PlanItem& item);

  RunSession& session_;
  const AppliedState& state_;
  const Plan& plan_;
  const RunOptions& run_;
  Touched& touched_;
  RunReport& report_;
  std::size_t next_ = 0;                // of the plan's items
  std::set<std::size_t> alone_;         // items that did not go through together with others
  std::optional<RelationNames> known_;  // the relations that there are; nullopt = ask
};

absl::Status Ascent::Run() {
  while (next_ < plan_.items.size()) {
    RETURN_IF_ERROR(MayStillChangeBuilds(session_, plan_, plan_.items[next_]));
    ASSIGN_OR_RETURN(const std::size_t together, RunTogether());
    if (together == 0) RETURN_IF_ERROR(RunAlone(plan_.items[next_]));
    const std::size_t end = next_ + std::max<std::size_t>(together, 1);
    for (; next_ < end; ++next_) Done(plan_.items[next_]);
  }
  return absl::OkStatus();
}

absl::Status Ascent::Know() {
  if (known_.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(known_, LoadRelationNames(session_.connection));
  return absl::OkStatus();
}

std::size_t Ascent::ItemOf(std::size_t step) const {
  std::size_t item = next_;
  while (step >= plan_.items[item].steps.size()) step -= plan_.items[item++].steps.size();
  return item;
}

absl::StatusOr<std::size_t> Ascent::RunTogether() {
  while (!alone_.contains(next_)) {
    RETURN_IF_ERROR(Know());
    StepGroup group(session_, *known_);
    std::size_t end = next_;
    while (end < plan_.items.size() && !alone_.contains(end) &&
           group.Add(TasksOf(session_, state_, plan_.items[end]))) {
      ++end;
    }
    if (group.size() < 2) return 0;
    const absl::Status status = group.Run(report_);
    if (status.ok()) return end - next_;
    if (session_.connection.is_lost() || !StepGroup::IsOfSteps(status)) return status;
    RETURN_IF_ERROR(MayGoOn(session_));
    // The one that failed by itself, those before it once more together; where nobody can tell
    // which it was, all of them one by one.
    const std::optional<std::size_t> culprit = group.failed();
    if (culprit.has_value()) alone_.insert(ItemOf(*culprit));
    for (std::size_t item = next_; !culprit.has_value() && item < end; ++item) alone_.insert(item);
  }
  return 0;
}

absl::Status Ascent::RunAlone(const PlanItem& item) {
  const Revision& revision = session_.graph.at(item.position);
  ContractGate gate(session_, item.position, run_.gate_wait.value_or(session_.options.gate_wait));
  std::vector<StepTask> tasks = TasksOf(session_, state_, item);
  for (StepTask& task : tasks) {
    if (task.step.kind != StepKind::kBackfill && task.was_begun) {
      // Its file said something else when it was begun.
      RETURN_IF_ERROR(ClearBegunBackfill(session_, task));
    }
    RETURN_IF_ERROR(RunUpStep(session_, gate, task, report_));
  }
  return tasks.empty() ? CompleteRevision(session_, revision) : absl::OkStatus();
}

void Ascent::Done(const PlanItem& item) {
  const Revision& revision = session_.graph.at(item.position);
  for (const std::size_t index : item.steps) {
    const Step& step = revision.steps[index];
    touched_.Add(revision, step.up);
    const ScriptFacts& facts = step.up.facts;
    const bool tells_all = step.kind == StepKind::kTransactional && !step.up.is_opaque &&
                           !facts.has_hidden_code && !RenamesRelations(step.up);
    if (!tells_all) known_.reset();
    if (known_.has_value()) known_->insert(facts.written.begin(), facts.written.end());
  }
  touched_.revisions.insert(revision.id);
  report_.revisions.push_back(revision.id);
}

}  // namespace

absl::Status RunUpgrade(RunSession& session, std::string_view target, const RunOptions& run,
                        RunReport& report) {
  ASSIGN_OR_RETURN(const OpenedPlan opened, OpenPlan(session, Direction::kUp, target, run, report));
  const AppliedState& state = opened.state;
  const Plan& plan = opened.plan;
  const std::vector<PlannedRepeatable> repeatables = PlanRepeatables(session.graph, state, plan);
  if (!HasWork(plan, repeatables, state)) return EndIdlePlan(session, opened, run, report);
  RETURN_IF_ERROR(MayBegin(session));
  session.force_gate = run.force_gate;
  session.force_locks = run.force_locks;
  session.measured = run.measured;
  ASSIGN_OR_RETURN(session.certificates, LoadCertificates(session.connection, session.graph, plan));
  RETURN_IF_ERROR(MayChangeBuilds(session, plan));
  const std::vector<ComingStep> all = ComingUp(session.graph, plan);
  RETURN_IF_ERROR(MayDrop(session.connection, all, Direction::kUp));
  RETURN_IF_ERROR(LoadWasThere(session));
  ASSIGN_OR_RETURN(const std::vector<Forecast> forecasts,
                   ForecastPlan(session.connection, session.graph, plan, session.certificates));
  ASSIGN_OR_RETURN(
      const std::vector<LintFinding> forbidden,
      FindForbidden(session.connection, *session.was_there, all, Direction::kUp,
                    OverBudget(session.graph, plan, forecasts, session.options.budgets)));
  RETURN_IF_ERROR(MayRunOnline(forbidden));
  RETURN_IF_ERROR(StartPlan(session, plan, repeatables.size()));
  EmitNotes(session, all, Direction::kUp);
  Touched touched;
  RETURN_IF_ERROR(Ascent(session, state, plan, run, touched, report).Run());
  RETURN_IF_ERROR(RunRepeatables(session, state, plan, repeatables, touched, report));
  return EndPlan(session, opened, run, std::move(touched), report);
}

}  // namespace lockstep::migration
