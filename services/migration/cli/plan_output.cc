#include "services/migration/cli/plan_output.h"

#include <string>
#include <vector>

#include "services/migration/cli/lint_output.h"
#include "services/migration/cli/measure_output.h"
#include "services/migration/cli/plan_repeatables.h"

namespace lockstep::cli {
namespace {

void PrintSql(const pb::PlanResponse& plan, const Output& output) {
  for (const auto& planned : plan.revisions()) {
    for (const auto& step : planned.revision().steps()) {
      output.Line("");
      output.Line(output.Paint("-- " + planned.revision().id() + " step " +
                                   std::to_string(step.ordinal()) + " " + step.step_name(),
                               Colour::kDim));
      output.Line(plan.direction() == pb::DIRECTION_DOWN ? step.down_sql() : step.up_sql());
    }
  }
  PrintRepeatables(plan, output);
}

void ShowNotes(const pb::PlanResponse& plan, const Output& output) {
  for (const auto& note : plan.notes()) {
    const std::string where =
        note.revision().empty() ? "" : " " + note.revision() + " " + note.step_name();
    output.Line(output.Paint("note", Colour::kYellow) + where + ": " + note.what());
  }
}

bool IsDown(const pb::PlanResponse& plan) { return plan.direction() == pb::DIRECTION_DOWN; }

void ShowSteps(const pb::PlanResponse& plan, const Output& output) {
  std::vector<std::vector<std::string>> rows;
  int order = 0;
  for (const auto& planned : plan.revisions()) {
    const auto& revision = planned.revision();
    for (const auto& step : revision.steps()) {
      rows.push_back(
          {std::to_string(++order), revision.service(), revision.id(),
           std::to_string(step.ordinal()) + " " + step.step_name(), revision.phase(), step.kind(),
           std::to_string(step.lock_timeout_ms()) + " ms",
           revision.irreversible_reason().empty() ? "yes" : output.Paint("no", Colour::kRed),
           revision.title() + (planned.resumes() ? " (goes on half-way)" : "")});
    }
  }
  AddRepeatables(plan, rows);
  output.Line(output.Paint(IsDown(plan) ? "downgrade to " : "upgrade to ", Colour::kBold) +
              plan.target());
  output.Table(
      {"#", "OWNER", "REVISION", "STEP", "PHASE", "KIND", "LOCK WAIT", "REVERSIBLE", "TITLE"},
      rows);
}

}  // namespace

void ShowPlan(const pb::PlanResponse& plan, bool with_sql, const Output& output) {
  if (IsEmpty(plan)) {
    output.Line("nothing to do: " + plan.target() +
                (IsDown(plan) ? " is where the database stands, or newer" : " is applied"));
  } else {
    ShowSteps(plan, output);
    ShowForecasts(plan, output);
    if (with_sql) PrintSql(plan, output);
  }
  for (const auto& blocker : plan.blockers()) {
    output.Line(output.Paint("blocked by " + blocker.kind(), Colour::kRed) +
                (blocker.revision().empty() ? "" : " of " + blocker.revision()) + ": " +
                blocker.what() +
                (blocker.count() > 0 ? " (" + std::to_string(blocker.count()) + ")" : ""));
  }
  ShowNotes(plan, output);
  ShowFindings(plan.lint_findings(), pb::LINT_LEVEL_WARNING, output);
  if (!plan.lint_findings().empty()) {
    output.Progress("lint: " + CountText(plan.lint_findings()));
  }
}

}  // namespace lockstep::cli
