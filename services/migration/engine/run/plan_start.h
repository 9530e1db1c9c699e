// What every run of a plan does before its first step.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Tells the ledger how many steps there are, with so many repeatable definitions, and tidies up
// what is nobody's any more: archives whose time is over, leftovers of backfills. That old archives
// could not go is only a warning.
absl::Status StartPlan(RunSession& session, const Plan& plan, std::size_t repeatables = 0);

}  // namespace lockstep::migration
