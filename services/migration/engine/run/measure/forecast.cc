#include "services/migration/engine/run/measure/forecast.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

// Below this the fixed costs of a statement hide what a row costs.
constexpr std::int64_t kEnoughRows = 1'000;
constexpr double kSpread = 4;
constexpr double kFixedSpread = 2;

constexpr char kRows[] =
    "SELECT n.nspname || '.' || c.relname AS name,"
    // Pages that were never counted: as full as a table of narrow rows can be.
    "       (CASE WHEN c.relpages > 0 AND c.reltuples >= 0 THEN c.reltuples::float8 / c.relpages"
    "             ELSE 100 END * p.pages)::bigint AS row_count"
    "  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace,"
    "       LATERAL (SELECT pg_relation_size(c.oid) / current_setting('block_size')::int AS pages)"
    "         AS p"
    " WHERE c.relkind IN ('r', 'm') AND n.nspname || '.' || c.relname = ANY ($1::text[])";

std::int64_t RowsIn(const TableRows& tables, const std::string& name) {
  const auto found = tables.find(name);
  return found == tables.end() ? 0 : found->second;
}

bool IsTable(const StepCertificate& certificate, const RelationCost& cost) {
  return !cost.is_index && !cost.is_sequence && certificate.rows.contains(cost.relation);
}

// Whether the step may read the table to its end. Of a step outside of transactions nobody counted.
bool IsWorkedOn(const StepCertificate& certificate, const RelationCost& cost) {
  if (!IsTable(certificate, cost)) return false;
  return certificate.is_alone
             ? cost.mode.has_value() && *cost.mode >= LockMode::kShareUpdateExclusive
             : cost.rows_read > 0;
}

// A table that was empty in the sample, is not in reality, and that the step closes or changes:
// what it does to rows nobody has seen.
const RelationCost* FindUnseen(const StepCertificate& certificate, const TableRows& live) {
  for (const RelationCost& cost : certificate.relations) {
    if (!IsTable(certificate, cost) || !cost.mode.has_value()) continue;
    if (*cost.mode >= LockMode::kRowExclusive && RowsIn(certificate.rows, cost.relation) == 0 &&
        RowsIn(live, cost.relation) > 0) {
      return &cost;
    }
  }
  return nullptr;
}

// How many times the rows of the sample there are, weighted by what was read of each table.
struct Growth {
  double read = 0;    // rows of the sample that were read
  double coming = 0;  // that will be
  std::vector<std::string> of;
  double factor() const { return read > 0 ? std::max(1.0, coming / read) : 1.0; }
};

Growth GrowthOf(const StepCertificate& certificate, const TableRows& live) {
  Growth growth;
  for (const RelationCost& cost : certificate.relations) {
    const std::int64_t sampled = RowsIn(certificate.rows, cost.relation);
    if (!IsWorkedOn(certificate, cost) || sampled == 0) continue;
    const auto read = static_cast<double>(certificate.is_alone ? sampled : cost.rows_read);
    const auto there = static_cast<double>(RowsIn(live, cost.relation));
    growth.read += read;
    growth.coming += read * there / static_cast<double>(sampled);
    growth.of.push_back(absl::StrFormat("%d of %d rows of %s", sampled,
                                        std::max(RowsIn(live, cost.relation), sampled),
                                        cost.relation));
  }
  return growth;
}

std::string_view NameOf(Phase phase) {
  if (phase == Phase::kContract) return "a CONTRACT";
  return phase == Phase::kMigrate ? "a MIGRATE" : "an EXPAND";
}

}  // namespace

std::string DurationText(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds < 1) return absl::StrFormat("%.0f ms", seconds * 1'000);
  if (seconds < 100) return absl::StrFormat("%.1f s", seconds);
  if (seconds < 10 * 60) return absl::StrFormat("%.1f min", seconds / 60);
  if (seconds < 100 * 60) return absl::StrFormat("%.0f min", seconds / 60);
  return absl::StrFormat("%.1f h", seconds / 3'600);
}

Forecast ForecastOf(const StepCertificate& certificate, const TableRows& live) {
  Forecast forecast{.revision = certificate.revision,
                    .ordinal = certificate.ordinal,
                    .step_name = certificate.step_name,
                    .locks = LocksText(certificate.relations)};
  const std::optional<LockMode> strongest = certificate.strongest();
  forecast.is_online = !strongest.has_value() || !IsStrong(*strongest);
  if (const RelationCost* unseen = FindUnseen(certificate, live)) {
    forecast.basis = absl::StrFormat("no forecast: the sample had no row of %s, which has about %d",
                                     unseen->relation, RowsIn(live, unseen->relation));
    return forecast;
  }
  const Growth growth = GrowthOf(certificate, live);
  const absl::Duration scaled = certificate.took * growth.factor();
  const bool is_measured = growth.read >= static_cast<double>(kEnoughRows);
  const bool grows = growth.factor() > 1;
  forecast.high = scaled * (grows ? kSpread : kFixedSpread);
  // All of it may be what does not grow.
  forecast.low = grows && is_measured && !certificate.is_alone ? scaled / kSpread
                                                               : certificate.took / kFixedSpread;
  forecast.basis = absl::StrFormat("took %s with ", DurationText(certificate.took)) +
                   (growth.of.empty() ? "no table read" : absl::StrJoin(growth.of, ", "));
  return forecast;
}

absl::StatusOr<TableRows> ReadTableRows(pg::Connection& connection,
                                        const StepCertificates& certificates) {
  std::vector<std::string> names;
  for (const auto& [key, certificate] : certificates) {
    for (const auto& [name, rows] : certificate.rows) names.push_back(name);
  }
  TableRows tables;
  if (names.empty()) return tables;
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(kRows, pg::ArrayLiteral(names)));
  for (const pg::Row row : rows) {
    tables[row.Text("name")] = row.Get<std::int64_t>("row_count");
  }
  return tables;
}

absl::StatusOr<std::vector<Forecast>> ForecastPlan(pg::Connection& connection, const Graph& graph,
                                                   const Plan& plan,
                                                   const StepCertificates& certificates) {
  std::vector<Forecast> forecasts;
  if (certificates.empty()) return forecasts;
  ASSIGN_OR_RETURN(const TableRows live, ReadTableRows(connection, certificates));
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    for (const std::size_t index : item.steps) {
      const auto found = certificates.find({revision.id, revision.steps[index].ordinal});
      if (found != certificates.end()) forecasts.push_back(ForecastOf(found->second, live));
    }
  }
  return forecasts;
}

std::vector<LintForecast> OverBudget(const Graph& graph, const Plan& plan,
                                     const std::vector<Forecast>& forecasts,
                                     const Budgets& budgets) {
  std::vector<LintForecast> over;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    const absl::Duration budget = revision.phase == Phase::kExpand ? budgets.expand : budgets.later;
    for (const Forecast& each : forecasts) {
      if (each.revision != revision.id || each.is_online || !each.high.has_value() ||
          *each.high <= budget) {
        continue;
      }
      over.push_back({.revision = each.revision,
                      .step = each.ordinal,
                      .message = absl::StrFormat(
                          "step %s takes between %s and %s, and meanwhile holds %s; %s has %s (%s)",
                          each.step_name, DurationText(*each.low), DurationText(*each.high),
                          each.locks, NameOf(revision.phase), DurationText(budget), each.basis),
                      .is_sure = *each.low > budget});
    }
  }
  return over;
}

}  // namespace lockstep::migration
