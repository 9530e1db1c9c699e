// What a run would do, as far as it can be told without running.
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/build_ledger.h"
#include "services/migration/engine/run/cross_owner.h"
#include "services/migration/engine/run/downgrade_blockers.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/lint/plan_lint.h"
#include "services/migration/engine/run/measure/certificate_ledger.h"
#include "services/migration/engine/run/measure/forecast.h"
#include "services/migration/engine/run/plan_check.h"
#include "services/migration/engine/run/plan_notes.h"
#include "services/migration/engine/run/repeatable_run.h"
#include "services/migration/engine/run/restore_point.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

void AddPrivileged(const Graph& graph, PlanReport& report) {
  for (const ComingStep& coming : ComingUp(graph, report.plan)) {
    if (coming.step->kind != StepKind::kPrivileged) continue;
    report.blockers.push_back({.kind = "privileged",
                               .revision = coming.revision->id,
                               .what = "step " + coming.step->name + " needs an administrator",
                               .count = 1});
  }
}

void AddForbidden(PlanReport& report) {
  for (const LintFinding& finding : report.lint.findings) {
    if (!finding.is_forbidden) continue;
    report.blockers.push_back(
        {.kind = "lint", .revision = finding.revision, .what = ForbiddenText(finding), .count = 1});
  }
}

// What would be applied and dropped after the revisions, or why nothing is.
absl::Status AddRepeatables(pg::Connection& connection, const Graph& graph,
                            const AppliedState& state, PlanReport& report) {
  report.repeatables = PlanRepeatables(graph, state, report.plan);
  ASSIGN_OR_RETURN(
      const std::vector<Blocker> blockers,
      FindRepeatableBlockers(connection, graph.definitions(), state, report.repeatables));
  report.blockers.insert(report.blockers.end(), blockers.begin(), blockers.end());
  const std::size_t pending = PendingRepeatables(graph.definitions(), state).size();
  if (pending == 0 || !report.repeatables.empty()) return absl::OkStatus();
  PlanNote note;
  note.kind = "repeatable";
  note.what = absl::StrFormat(
      "%d repeatable definitions wait: they are applied when every service is at its head",
      pending);
  report.notes.push_back(std::move(note));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PlanReport> Engine::PlanFor(const Context& context, Direction direction,
                                           std::string_view target) const {
  RETURN_IF_ERROR(context.Check());
  ASSIGN_OR_RETURN(const auto connection, OpenSession(options_, kReaderPurpose));
  connection->SetIoDeadline(context.deadline());
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(*connection, graph_));
  PlanReport report;
  ASSIGN_OR_RETURN(const CurrentState current, LoadCurrent(*connection, graph_, state));
  for (const LedgerRevision& revision : current.revisions) report.applied[revision.id] = revision;
  std::vector<ComingStep> coming;
  RelationNames gone;
  if (direction == Direction::kUp) {
    ASSIGN_OR_RETURN(report.plan, PlanUpgrade(graph_, state, target));
    if (options_.admin_url.empty()) AddPrivileged(graph_, report);
    RETURN_IF_ERROR(AddRepeatables(*connection, graph_, state, report));
    coming = ComingUp(graph_, report.plan);
  } else {
    ASSIGN_OR_RETURN(report.plan, PlanDowngrade(graph_, state, target));
    ASSIGN_OR_RETURN(report.undos, LoadUndos(*connection, graph_, report.plan));
    coming = ComingDown(graph_, report.plan, report.undos);
    ASSIGN_OR_RETURN(const auto found,
                     FindDowngradeBlockers(*connection, graph_, state, report.plan, RunOptions{}));
    for (const DowngradeBlocker& blocker : found) report.blockers.push_back(blocker.blocker);
    if (!report.plan.empty()) {
      ASSIGN_OR_RETURN(SetAside aside, FindInTheWay(*connection, graph_, report.plan));
      gone = NamesOf(aside);
      report.repeatables = std::move(aside.repeatables);
    }
  }
  std::vector<Violation> violations;
  const absl::Status checked = CheckBuilds(*connection, graph_, report.plan, violations);
  if (!checked.ok() && ReasonOf(checked) != "INCOMPATIBLE_BUILD") return checked;
  for (const Violation& violation : violations) {
    if (violation.is_required) continue;  // told above
    report.blockers.push_back({.kind = violation.is_gate ? "gate" : "instance",
                               .revision = violation.revision,
                               .what = violation.text(),
                               .count = 1});
  }
  ASSIGN_OR_RETURN(const RelationNames there, LoadRelationNames(*connection));
  std::vector<LintForecast> over;
  if (direction == Direction::kUp) {
    ASSIGN_OR_RETURN(const StepCertificates certificates,
                     LoadCertificates(*connection, graph_, report.plan));
    ASSIGN_OR_RETURN(report.forecasts,
                     ForecastPlan(*connection, graph_, report.plan, certificates));
    over = OverBudget(graph_, report.plan, report.forecasts, options_.budgets);
  }
  ASSIGN_OR_RETURN(report.lint, LintSteps(*connection, coming, direction, std::move(over)));
  if (direction == Direction::kUp) AddForbidden(report);
  std::vector<PlanNote> notes = FindNotes(*connection, there, coming, direction);
  report.notes.insert(report.notes.end(), notes.begin(), notes.end());
  AddForeignLockNotes(coming, report.notes);
  if (direction == Direction::kUp) {
    AddRestorePointNote(*connection, coming, report.notes);
  }
  ASSIGN_OR_RETURN(const auto dependents,
                   FindForeignDependents(*connection, coming, direction, gone));
  for (const ForeignDependent& each : dependents) {
    report.blockers.push_back(
        {.kind = "dependent", .revision = each.revision, .what = each.text(), .count = 1});
  }
  return report;
}

}  // namespace lockstep::migration
