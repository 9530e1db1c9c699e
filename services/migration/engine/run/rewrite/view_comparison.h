// Compares the definitions that a view rewrite finds with those that it brings, on the rows that
// are there, before anything is changed.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/rewrite/rewritten_view.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// One check for each view, in one read-only snapshot in the owner's role. Checks that failed are in
// the result, not in the status. VIEW_INCOMPARABLE, VIEW_REWRITE_INVALID, STEP_FAILED.
absl::StatusOr<std::vector<VerificationResult>> CompareViews(
    RunSession& session, const StepTask& task, const std::vector<RewrittenView>& views);

}  // namespace lockstep::migration
