// Gives views their new definitions, in the step's own transaction.
//
// PostgreSQL keeps what belongs to a view only when CREATE OR REPLACE does the change. A view that
// has to be dropped gets its owner, grants, comments, options, indexes, triggers, rules and
// defaults back; the views that hang on it are dropped before, deepest first, and made again after
// it with all of theirs. What is no view, or another owner's, is never dropped: the step is refused
// with its name.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/rewrite/view_comparison.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"
#include "services/migration/engine/view_script.h"

namespace lockstep::migration {

// Completes `prepared`, whose statements are those of `script`. `views`: what was compared; they
// must still be what they were then (VIEW_CHANGED), and are checked once more after the statements.
// VIEW_IN_USE.
absl::Status PrepareSwap(const StepTask& task, const std::vector<ViewStatement>& script,
                         const std::vector<RewrittenView>& views, pg::Connection& connection,
                         Prepared& prepared);

}  // namespace lockstep::migration
