#include "services/migration/engine/run/plan_runs.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/soak.h"
#include "services/migration/engine/run/step_intents.h"
#include "services/migration/engine/run/step_runner.h"

namespace lockstep::migration {
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
