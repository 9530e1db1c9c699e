// What every run of a plan begins and ends with, whichever way it goes.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/run_verification.h"

namespace lockstep::migration {

struct OpenedPlan {
  AppliedState state;
  Plan plan;
  Leftovers left;
};

// Plans from what the ledger says now that the lease is held; refuses what differs from the plan
// that was reviewed, and takes over the options that hold for the whole run.
absl::StatusOr<OpenedPlan> OpenPlan(RunSession& session, Direction direction,
                                    std::string_view target, const RunOptions& run,
                                    RunReport& report);

// Tells the ledger how many steps there are, with so many repeatable definitions, and tidies up
// what is nobody's any more: archives whose time is over, leftovers of backfills. That old archives
// could not go is only a warning.
absl::Status StartPlan(RunSession& session, const Plan& plan, std::size_t repeatables = 0);

// After the last step, unless the run is not to verify; VerifyTouched() says how it fails.
absl::Status EndPlan(RunSession& session, const OpenedPlan& opened, const RunOptions& run,
                     Touched touched, RunReport& report);
// Where there is nothing to do but what earlier runs did not verify.
absl::Status EndIdlePlan(RunSession& session, const OpenedPlan& opened, const RunOptions& run,
                         RunReport& report);

}  // namespace lockstep::migration
