#include "services/migration/cli/plan_repeatables.h"

#include "services/migration/engine/model.h"

namespace lockstep::cli {

bool IsEmpty(const pb::PlanResponse& plan) {
  return plan.revisions().empty() && plan.repeatables().empty();
}

void AddRepeatables(const pb::PlanResponse& plan, std::vector<std::vector<std::string>>& rows) {
  for (const auto& planned : plan.repeatables()) {
    std::string objects;
    for (const std::string& object : planned.objects()) {
      objects += (objects.empty() ? "" : ", ") + object;
    }
    const bool comes_first = planned.action() == "set_aside";
    rows.push_back({comes_first ? "-" : std::to_string(rows.size() + 1), planned.service(),
                    planned.repeatable(), planned.action(), "", "repeatable",
                    std::to_string(migration::Limits().lock_timeout_ms) + " ms", "yes", objects});
  }
}

void PrintRepeatables(const pb::PlanResponse& plan, const Output& output) {
  for (const auto& planned : plan.repeatables()) {
    if (planned.sql().empty()) continue;
    output.Line("");
    output.Line(output.Paint("-- repeatable " + planned.service() + "/" + planned.repeatable(),
                             Colour::kDim));
    output.Line(planned.sql());
  }
}

}  // namespace lockstep::cli
