#include "services/migration/engine/run/lint/plan_lint.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/lint/rule_page.h"
#include "services/migration/engine/run/lint/schema_catalog.h"
#include "services/migration/engine/run/scratch/proof_ledger.h"

namespace lockstep::migration {
namespace {

LintUnit UnitOf(const ComingStep& coming, Direction direction) {
  return {.script = coming.script,
          .role = direction == Direction::kUp ? LintRole::kUp : LintRole::kDown,
          .revision = coming.revision,
          .step = coming.step};
}

std::vector<LintUnit> UnitsOfSteps(const std::vector<ComingStep>& steps, Direction direction) {
  std::vector<LintUnit> units;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Revision& revision = *steps[i].revision;
    units.push_back(UnitOf(steps[i], direction));
    const bool is_last = i + 1 == steps.size() || steps[i + 1].revision != &revision;
    if (direction == Direction::kDown || !is_last) continue;
    for (const LintUnit& unit : UnitsOf(revision)) {
      if (unit.role != LintRole::kUp) units.push_back(unit);
    }
  }
  return units;
}

LintOptions OptionsOfPlan() {
  LintOptions options;
  options.today = LintToday();
  options.tells_unused = false;
  return options;
}

}  // namespace

std::string LintToday() { return absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone()); }

absl::StatusOr<LintReport> LintSteps(pg::Connection& connection,
                                     const std::vector<ComingStep>& steps, Direction direction,
                                     std::vector<LintForecast> forecasts) {
  if (steps.empty()) return LintReport();
  ASSIGN_OR_RETURN(SchemaModel model, LoadSchemaModel(connection));
  LintOptions options = OptionsOfPlan();
  options.forecasts = std::move(forecasts);
  if (direction == Direction::kUp) {
    ASSIGN_OR_RETURN(options.rehearsed, RehearsedChecksums(connection));
  }
  return Lint(UnitsOfSteps(steps, direction), options, model);
}

absl::StatusOr<std::vector<LintFinding>> FindForbidden(pg::Connection& connection,
                                                       const RelationNames& was_there,
                                                       const std::vector<ComingStep>& steps,
                                                       Direction direction,
                                                       std::vector<LintForecast> forecasts) {
  std::vector<LintUnit> units;
  for (const ComingStep& coming : steps) {
    const std::vector<std::string>& written = coming.script->facts.written;
    // Thousands of steps that make tables of their own need no second reading.
    const bool is_forecast = std::any_of(
        forecasts.begin(), forecasts.end(),
        [&](const LintForecast& forecast) { return forecast.revision == coming.revision->id; });
    if (is_forecast || std::any_of(written.begin(), written.end(), [&](const std::string& name) {
          return was_there.contains(name);
        })) {
      units.push_back(UnitOf(coming, direction));
    }
  }
  std::vector<LintFinding> forbidden;
  if (units.empty()) return forbidden;
  ASSIGN_OR_RETURN(SchemaModel model, LoadSchemaModel(connection));
  LintOptions options = OptionsOfPlan();
  options.forecasts = std::move(forecasts);
  LintReport report = Lint(units, options, model);
  for (LintFinding& finding : report.findings) {
    if (finding.is_forbidden) forbidden.push_back(std::move(finding));
  }
  return forbidden;
}

std::string ForbiddenText(const LintFinding& finding) {
  return absl::StrCat(finding.message, " (", finding.rule, ")");
}

absl::Status MayRunOnline(const std::vector<LintFinding>& forbidden) {
  if (forbidden.empty()) return absl::OkStatus();
  std::string message;
  for (const LintFinding& finding : forbidden) {
    const RulePage& page = *FindRule(finding.rule);
    absl::StrAppend(&message, message.empty() ? "" : "\n", finding.file, ":", finding.line, ": ",
                    ForbiddenText(finding), "\n  instead: ", std::string(page.safe_form));
  }
  absl::StrAppend(&message,
                  "\nIf nobody uses the table now, allow it in revision.textproto: suppressions { "
                  "rule: \"",
                  forbidden.front().rule, "\" reason: \"...\" expires: \"YYYY-MM-DD\" }");
  return Error(absl::StatusCode::kFailedPrecondition, "LINT_REFUSED", std::move(message))
      .With("rule", forbidden.front().rule)
      .With("revision", forbidden.front().revision)
      .With("count", static_cast<long long>(forbidden.size()));
}

}  // namespace lockstep::migration
