#include "services/migration/engine/run/plan_frame.h"

#include <cstdint>
#include <utility>

#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/backfill/backfill_step.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/plan_check.h"

namespace lockstep::migration {
namespace {

absl::Status SetStepsTotal(RunSession& session, std::size_t total) {
  return session.connection
      .Query("UPDATE migration.runs SET steps_total = $2 WHERE run_id = $1",
             session.journal.run_id(), static_cast<std::int64_t>(total))
      .status();
}

// A run that does something also tidies up. That this fails is no reason to do nothing.
void PurgeQuietly(RunSession& session) {
  int purged = 0;
  const absl::Status status = PurgeExpiredArchives(session, purged);
  if (status.ok() || session.connection.is_lost()) return;
  session.journal.Emit(
      {.kind = "warning", .message = "expired archives could not be purged: " + MessageOf(status)});
}

}  // namespace

absl::StatusOr<OpenedPlan> OpenPlan(RunSession& session, Direction direction,
                                    std::string_view target, const RunOptions& run,
                                    RunReport& report) {
  ASSIGN_OR_RETURN(AppliedState state, LoadState(session.connection, session.graph));
  const auto make_plan = direction == Direction::kUp ? PlanUpgrade : PlanDowngrade;
  ASSIGN_OR_RETURN(Plan plan, make_plan(session.graph, state, target));
  RETURN_IF_ERROR(CheckReviewed(session.connection, session.graph, state, plan, run));
  session.force_freeze = run.force_freeze;
  session.cancel_blockers = run.cancel_blockers;
  ASSIGN_OR_RETURN(Leftovers left, FindLeftovers(session));
  killpoint::Killpoint("planned");
  report.heads = HeadsOf(session.graph, state);
  return OpenedPlan{std::move(state), std::move(plan), std::move(left)};
}

absl::Status StartPlan(RunSession& session, const Plan& plan, std::size_t repeatables) {
  std::size_t steps = repeatables;
  for (const PlanItem& item : plan.items) steps += item.steps.size();
  RETURN_IF_ERROR(SetStepsTotal(session, steps));
  PurgeQuietly(session);
  return ClearStrayBackfills(session);
}

absl::Status EndPlan(RunSession& session, const OpenedPlan& opened, const RunOptions& run,
                     Touched touched, RunReport& report) {
  report.heads = opened.plan.to_heads;
  if (!run.verify) return absl::OkStatus();
  return VerifyTouched(session, std::move(touched), opened.left, report);
}

absl::Status EndIdlePlan(RunSession& session, const OpenedPlan& opened, const RunOptions& run,
                         RunReport& report) {
  report.nothing_to_do = opened.left.runs.empty() || !run.verify;
  return report.nothing_to_do ? absl::OkStatus() : VerifyTouched(session, {}, opened.left, report);
}

}  // namespace lockstep::migration
