// How long a step will take on tables of their real size, from what it took on a sample of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/lint/lint.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/measure/certificate.h"

namespace lockstep::migration {

// Rows of tables, by the server's own statistics: "schema.table".
using TableRows = std::map<std::string, std::int64_t>;

struct Forecast {
  std::string revision;
  int ordinal = 0;
  std::string step_name;
  // Between these, most likely. Both or neither: without rows in the sample nobody can tell.
  std::optional<absl::Duration> low = std::nullopt;
  std::optional<absl::Duration> high = std::nullopt;
  std::string locks = {};  // LocksText()
  bool is_online = false;  // writers of what was there go on meanwhile
  std::string basis = {};  // for a person: what it was computed from, or why it was not
};

// The work grows with the rows of the tables that the step read; what else it does takes as long as
// on the sample. A sample is in memory and its index is one page high, a table of real size is not:
// hence from a quarter to four times of what the rows alone say, and from half to double where they
// do not matter. Pure.
Forecast ForecastOf(const StepCertificate& certificate, const TableRows& live);

struct Budgets {
  absl::Duration expand = absl::Minutes(3);
  absl::Duration later = absl::Minutes(10);  // MIGRATE and CONTRACT
};

// Rows as the planner estimates them: the density that statistics saw, times the pages of now.
absl::StatusOr<TableRows> ReadTableRows(pg::Connection& connection,
                                        const StepCertificates& certificates);

// Of the certified steps that `plan` would run, in its order.
absl::StatusOr<std::vector<Forecast>> ForecastPlan(pg::Connection& connection, const Graph& graph,
                                                   const Plan& plan,
                                                   const StepCertificates& certificates);

// What the linter says about forecasts (M10): over the budget of the revision's phase for sure is
// an error that no run begins with, perhaps over it a warning. Steps that are online have none.
// Pure.
std::vector<LintForecast> OverBudget(const Graph& graph, const Plan& plan,
                                     const std::vector<Forecast>& forecasts,
                                     const Budgets& budgets);

// "40 ms", "3.2 s", "14 min", "2.5 h".
std::string DurationText(absl::Duration duration);

}  // namespace lockstep::migration
