#include "services/migration/engine/run/plan_start.h"

#include <cstdint>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/backfill/backfill_step.h"

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

absl::Status StartPlan(RunSession& session, const Plan& plan, std::size_t repeatables) {
  std::size_t steps = repeatables;
  for (const PlanItem& item : plan.items) steps += item.steps.size();
  RETURN_IF_ERROR(SetStepsTotal(session, steps));
  PurgeQuietly(session);
  return ClearStrayBackfills(session);
}

}  // namespace lockstep::migration
