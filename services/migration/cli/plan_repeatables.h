// The repeatable definitions of a plan, as people see them.
#pragma once

#include <string>
#include <vector>

#include "services/migration/cli/commands.h"

namespace lockstep::cli {

// Whether the plan has neither steps nor definitions.
bool IsEmpty(const pb::PlanResponse& plan);

// Adds one row each to the table of steps (#, OWNER, REVISION, STEP, PHASE, KIND, LOCK WAIT,
// REVERSIBLE, TITLE). What is set aside before the first step has no number.
void AddRepeatables(const pb::PlanResponse& plan, std::vector<std::vector<std::string>>& rows);

// The text of each that would be applied.
void PrintRepeatables(const pb::PlanResponse& plan, const Output& output);

}  // namespace lockstep::cli
