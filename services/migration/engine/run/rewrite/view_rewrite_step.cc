#include "services/migration/engine/run/rewrite/view_rewrite_step.h"

#include <string>
#include <utility>
#include <vector>

#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/expectations.h"
#include "services/migration/engine/run/rewrite/view_comparison.h"
#include "services/migration/engine/run/rewrite/view_swap.h"
#include "services/migration/engine/view_script.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

absl::Status RefuseDifferent(const StepTask& task, const std::vector<VerificationResult>& checks) {
  std::string differing;
  for (const VerificationResult& check : checks) {
    if (check.passed) continue;
    differing +=
        " " + check.check_id + ": expected " + check.expected + ", found " + check.actual + ";";
  }
  if (differing.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "VIEW_DIFFERS",
               task.text() + " changed nothing, the definitions are not equal:" + differing);
}

}  // namespace

absl::StatusOr<StepOutcome> RunViewRewrite(RunSession& session, const StepTask& task,
                                           const UndoRequest& undo) {
  std::vector<Problem> problems;
  const std::vector<ViewStatement> script = ReadViewScript(task.script, problems);
  if (!problems.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
                 task.text() + " is no view rewrite: " + JoinProblems(problems));
  }
  const bool is_up = task.direction == Direction::kUp;
  std::vector<RewrittenView> views;
  std::vector<VerificationResult> checks;
  if (is_up) {
    ASSIGN_OR_RETURN(views, LookAtViews(session, task, script));
    if (session.options.compares_views) {
      ASSIGN_OR_RETURN(checks, CompareViews(session, task, views));
      RETURN_IF_ERROR(FlushEvents(session));
      RETURN_IF_ERROR(RefuseDifferent(task, checks));
    }
    Killpoint("views_compared");
  }
  const auto prepare = [&](pg::Connection& connection) -> absl::StatusOr<Prepared> {
    Prepared prepared;
    prepared.statements = task.script.statements;
    if (!is_up) {
      ASSIGN_OR_RETURN(prepared, PrepareUndo(session, task, undo, connection));
    }
    RETURN_IF_ERROR(PrepareSwap(task, script, views, connection, prepared));
    prepared.record_sql += RecordChecksSql(session.sql, checks);
    return prepared;
  };
  ASSIGN_OR_RETURN(StepOutcome outcome, RunTransactionalStep(session, task, prepare,
                                                             is_up ? std::vector<RelationLock>()
                                                                   : LocksOfPreparing(task, undo)));
  outcome.expectations.insert(outcome.expectations.begin(), checks.begin(), checks.end());
  return outcome;
}

}  // namespace lockstep::migration
