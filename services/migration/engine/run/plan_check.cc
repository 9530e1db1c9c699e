#include "services/migration/engine/run/plan_check.h"

#include <cstddef>
#include <utility>

#include "common/status/macros.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/repeatable_plan.h"

namespace lockstep::migration {

absl::StatusOr<UndoScripts> LoadUndos(pg::Connection& connection, const Graph& graph,
                                      const Plan& plan) {
  UndoScripts undos;
  if (plan.direction != Direction::kDown) return undos;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    for (const std::size_t index : item.steps) {
      const int ordinal = revision.steps[index].ordinal;
      ASSIGN_OR_RETURN(Script undo, LoadArchivedScript(connection, revision.id, ordinal, "down"));
      undos[{revision.id, ordinal}] = std::move(undo);
    }
  }
  return undos;
}

absl::Status CheckReviewed(pg::Connection& connection, const Graph& graph,
                           const AppliedState& state, const Plan& plan, const RunOptions& run) {
  if (!run.reviewed.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const UndoScripts undos, LoadUndos(connection, graph, plan));
  ReviewedPlan now = Review(graph, plan, undos);
  AddRepeatables(PlanRepeatables(graph, state, plan), now);
  return PlanChanged(*run.reviewed, DifferencesOf(*run.reviewed, now, state));
}

absl::Status MayRunPlan(pg::Connection& connection, const Graph& graph, const AppliedState& state,
                        const Plan& plan, const RunOptions& run) {
  RETURN_IF_ERROR(CheckReviewed(connection, graph, state, plan, run));
  return HasWork(plan, PlanRepeatables(graph, state, plan), state)
             ? MayRunNow(connection, run.force_freeze)
             : absl::OkStatus();
}

}  // namespace lockstep::migration
