// Which repeatable definitions a run applies, drops or sets aside. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/graph.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/reviewed_plan.h"

namespace lockstep::migration {

// ReviewedStep::kind of a repeatable definition.
inline constexpr char kRepeatableKind[] = "repeatable";

enum class RepeatableAction {
  kApply,     // its text is new, has changed, or what it made is not there
  kDrop,      // its file, or something in its file, is gone
  kSetAside,  // going down: it is in the way of undos
};
// "apply", "drop", "set_aside": names of the steps in the ledger's log.
std::string_view ToText(RepeatableAction action);

struct PlannedRepeatable {
  RepeatableAction action = RepeatableAction::kApply;
  std::string service;
  std::string name;
  const Repeatable* repeatable = nullptr;  // of the definitions; null when its file is gone
  std::string checksum = {};          // of the text that is applied; of kDrop "" without a file
  std::string applied_checksum = {};  // of the text that was applied last; "" = none
  std::vector<RepeatableObject> objects = {};  // that it creates, or that are dropped

  std::string key() const { return service + "/" + name; }
};

// What the log and failures of steps call it: "repeatable:catalog/stock".
std::string RepeatableId(std::string_view key);
bool IsRepeatableId(std::string_view id);
// The key in such an id.
std::string RepeatableKeyOf(std::string_view id);

// What differs between files and ledger: what is to be applied, in the order of the definitions,
// then what is to be dropped, in reverse order of keys.
std::vector<PlannedRepeatable> PendingRepeatables(const Definitions& definitions,
                                                  const AppliedState& state);

// Whether `heads` ("service@id", sorted) are those of all definitions.
bool AreAllHeads(const Graph& graph, const std::vector<std::string>& heads);

// The pending ones when `plan` is an upgrade that leads to the heads of every service; else none:
// they wait.
std::vector<PlannedRepeatable> PlanRepeatables(const Graph& graph, const AppliedState& state,
                                               const Plan& plan);

// Whether a run has anything to do. What an interrupted downgrade set aside is work as well.
bool HasWork(const Plan& plan, const std::vector<PlannedRepeatable>& repeatables,
             const AppliedState& state);

// Adds those that are applied and dropped as the last steps of `plan`.
void AddRepeatables(const std::vector<PlannedRepeatable>& repeatables, ReviewedPlan& plan);

}  // namespace lockstep::migration
