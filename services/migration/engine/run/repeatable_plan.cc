#include "services/migration/engine/run/repeatable_plan.h"

#include <algorithm>
#include <set>

namespace lockstep::migration {
namespace {

constexpr std::string_view kIdPrefix = "repeatable:";

bool IsCurrent(const Repeatable& repeatable, const AppliedState& state) {
  const auto applied = state.repeatables.find(repeatable.key());
  return applied != state.repeatables.end() && !applied->second.is_set_aside &&
         !applied->second.is_missing && applied->second.checksum == repeatable.script.checksum;
}

}  // namespace

std::string_view ToText(RepeatableAction action) {
  switch (action) {
    case RepeatableAction::kApply:
      return "apply";
    case RepeatableAction::kDrop:
      return "drop";
    case RepeatableAction::kSetAside:
      return "set_aside";
  }
  return "";
}

std::string RepeatableId(std::string_view key) { return std::string(kIdPrefix) + std::string(key); }

bool IsRepeatableId(std::string_view id) { return id.starts_with(kIdPrefix); }

std::string RepeatableKeyOf(std::string_view id) {
  return std::string(IsRepeatableId(id) ? id.substr(kIdPrefix.size()) : id);
}

std::vector<PlannedRepeatable> PendingRepeatables(const Definitions& definitions,
                                                  const AppliedState& state) {
  std::vector<PlannedRepeatable> pending;
  std::set<std::string> keys;
  std::set<std::string> claimed;  // identities
  for (const Repeatable& repeatable : definitions.repeatables) {
    keys.insert(repeatable.key());
    for (const RepeatableObject& object : repeatable.objects) claimed.insert(object.identity);
    if (IsCurrent(repeatable, state)) continue;
    const auto applied = state.repeatables.find(repeatable.key());
    pending.push_back({.action = RepeatableAction::kApply,
                       .service = repeatable.service,
                       .name = repeatable.name,
                       .repeatable = &repeatable,
                       .checksum = repeatable.script.checksum,
                       .applied_checksum = applied == state.repeatables.end()
                                               ? std::string()
                                               : applied->second.checksum,
                       .objects = repeatable.objects});
  }
  for (auto it = state.repeatables.rbegin(); it != state.repeatables.rend(); ++it) {
    const AppliedRepeatable& applied = it->second;
    const auto definition = std::ranges::find(definitions.repeatables, applied.key(),
                                              [](const Repeatable& r) { return r.key(); });
    PlannedRepeatable drop{.action = RepeatableAction::kDrop,
                           .service = applied.service,
                           .name = applied.name,
                           .applied_checksum = applied.checksum};
    for (const RepeatableObject& object : applied.objects) {
      if (!claimed.contains(object.identity)) drop.objects.push_back(object);
    }
    if (definition != definitions.repeatables.end()) {
      drop.repeatable = &*definition;
      drop.checksum = definition->script.checksum;
    }
    const bool is_vanished = !keys.contains(applied.key());
    if (is_vanished || !drop.objects.empty()) pending.push_back(std::move(drop));
  }
  return pending;
}

bool AreAllHeads(const Graph& graph, const std::vector<std::string>& heads) {
  std::vector<std::string> all;
  for (const std::size_t head : graph.Heads(graph.All())) {
    all.push_back(graph.at(head).service + "@" + graph.at(head).id);
  }
  std::sort(all.begin(), all.end());
  return heads == all;
}

std::vector<PlannedRepeatable> PlanRepeatables(const Graph& graph, const AppliedState& state,
                                               const Plan& plan) {
  if (plan.direction != Direction::kUp || !AreAllHeads(graph, plan.to_heads)) return {};
  return PendingRepeatables(graph.definitions(), state);
}

bool HasWork(const Plan& plan, const std::vector<PlannedRepeatable>& repeatables,
             const AppliedState& state) {
  return !plan.empty() || !repeatables.empty() ||
         std::any_of(state.repeatables.begin(), state.repeatables.end(),
                     [](const auto& entry) { return entry.second.is_set_aside; });
}

void AddRepeatables(const std::vector<PlannedRepeatable>& repeatables, ReviewedPlan& plan) {
  for (const PlannedRepeatable& planned : repeatables) {
    if (planned.action == RepeatableAction::kSetAside) continue;
    const bool applies = planned.action == RepeatableAction::kApply;
    plan.steps.push_back({.service = planned.service,
                          .revision = RepeatableId(planned.key()),
                          .revision_checksum = planned.checksum,
                          .ordinal = 1,
                          .name = std::string(ToText(planned.action)),
                          .kind = kRepeatableKind,
                          .checksum = applies ? planned.checksum : planned.applied_checksum,
                          .direction = applies ? Direction::kUp : Direction::kDown,
                          .undo_sha256 = ""});
  }
}

}  // namespace lockstep::migration
