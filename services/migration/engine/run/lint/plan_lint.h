// What the linter says about the steps of a plan, and which of them no run does online.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/lint/lint.h"
#include "services/migration/engine/run/plan_notes.h"

namespace lockstep::migration {

// The scripts that would run; going up with the undos and checks of their revisions. Against the
// live catalog. Only reads. `forecasts`: of steps over budget.
absl::StatusOr<LintReport> LintSteps(pg::Connection& connection,
                                     const std::vector<ComingStep>& steps, Direction direction,
                                     std::vector<LintForecast> forecasts = {});

// Statements that scan or rewrite a table of more than kSmallTable rows while its writers wait, and
// that nothing allows. Reads only scripts that touch one of `was_there`, and the catalog only when
// there are any. Steps that are surely over budget as well.
absl::StatusOr<std::vector<LintFinding>> FindForbidden(pg::Connection& connection,
                                                       const RelationNames& was_there,
                                                       const std::vector<ComingStep>& steps,
                                                       Direction direction,
                                                       std::vector<LintForecast> forecasts = {});

// "transactions.orders: CREATE INDEX without CONCURRENTLY: ... (L01)".
std::string ForbiddenText(const LintFinding& finding);

// OK, or FAILED_PRECONDITION (LINT_REFUSED) with every finding and what to do instead.
absl::Status MayRunOnline(const std::vector<LintFinding>& forbidden);

// Today, as suppressions count days: UTC.
std::string LintToday();

}  // namespace lockstep::migration
