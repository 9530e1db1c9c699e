// A plan for a person.
#pragma once

#include "services/migration/cli/backend.h"
#include "services/migration/cli/output.h"

namespace lockstep::cli {

// The steps, how long they will take, what stands against them, what to know, and what the linter
// warns of. `with_sql`: and their SQL.
void ShowPlan(const pb::PlanResponse& plan, bool with_sql, const Output& output);

}  // namespace lockstep::cli
