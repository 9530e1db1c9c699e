#include "services/migration/engine/run/reviewed_plan.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "services/migration/engine/checksum.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "services/migration/engine/sha256.h"

namespace lockstep::migration {
namespace {

// The text of an error travels in a trailer, which is limited to some kilobytes.
constexpr std::size_t kMostDifferenceBytes = 2'500;

std::string Name(const ReviewedStep& step) {
  return absl::StrFormat("%s %s step %d (%s) %s", step.service, step.revision, step.ordinal,
                         step.name, ToText(step.direction));
}

// Enough of a checksum to tell two apart.
std::string Short(const std::string& checksum) { return checksum.substr(0, 15); }

std::string HeadsText(const std::vector<std::string>& heads) {
  return heads.empty() ? "base" : absl::StrJoin(heads, ", ");
}

bool IsSameStep(const ReviewedStep& a, const ReviewedStep& b) {
  return a.revision == b.revision && a.ordinal == b.ordinal && a.direction == b.direction;
}

const ReviewedStep* Find(const std::vector<ReviewedStep>& steps, const ReviewedStep& wanted) {
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const ReviewedStep& step) {
    return IsSameStep(step, wanted);
  });
  return found == steps.end() ? nullptr : &*found;
}

// Whether the definition is applied from this text, or gone.
bool IsRepeatableDone(const ReviewedStep& step, const AppliedState& state) {
  const auto applied = state.repeatables.find(RepeatableKeyOf(step.revision));
  if (step.direction == Direction::kDown) return applied == state.repeatables.end();
  return applied != state.repeatables.end() && !applied->second.is_set_aside &&
         !applied->second.is_missing && applied->second.checksum == step.checksum;
}

// Whether the ledger says that nothing is left to do of the step.
bool IsDone(const ReviewedStep& step, const AppliedState& state) {
  if (step.kind == kRepeatableKind) return IsRepeatableDone(step, state);
  const auto revision = state.revisions.find(step.revision);
  const AppliedStep* applied = nullptr;
  if (revision != state.revisions.end()) {
    for (const AppliedStep& candidate : revision->second.steps) {
      if (candidate.ordinal == step.ordinal) applied = &candidate;
    }
  }
  if (step.direction == Direction::kDown) return applied == nullptr;
  return applied != nullptr && !applied->is_half_undone && applied->checksum == step.checksum;
}

// "name copy instead of move; step checksum v1:0a.. instead of v1:7f.."
std::string ChangesOf(const ReviewedStep& reviewed, const ReviewedStep& now) {
  std::vector<std::string> changes;
  const auto compare = [&](const char* what, const std::string& was, const std::string& is) {
    if (was != is) {
      changes.push_back(std::string(what) + " " + Short(is) + " instead of " + Short(was));
    }
  };
  compare("service", reviewed.service, now.service);
  compare("name", reviewed.name, now.name);
  compare("kind", reviewed.kind, now.kind);
  compare("step checksum", reviewed.checksum, now.checksum);
  compare("revision checksum", reviewed.revision_checksum, now.revision_checksum);
  compare("archived undo", reviewed.undo_sha256, now.undo_sha256);
  return absl::StrJoin(changes, "; ");
}

void CompareSteps(const std::vector<ReviewedStep>& left, const std::vector<ReviewedStep>& now,
                  std::vector<std::string>& differences) {
  for (const ReviewedStep& step : left) {
    const ReviewedStep* found = Find(now, step);
    if (found == nullptr) {
      differences.push_back("missing: " + Name(step) + " was reviewed and would not run");
    } else if (*found != step) {
      differences.push_back("changed: " + Name(step) + ": " + ChangesOf(step, *found));
    }
  }
  for (const ReviewedStep& step : now) {
    if (Find(left, step) == nullptr) {
      differences.push_back("added: " + Name(step) + " would run and was not reviewed");
    }
  }
  if (!differences.empty()) return;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (left[i] == now[i]) continue;
    differences.push_back("order: " + Name(now[i]) + " would run in the place of " + Name(left[i]));
    return;
  }
}

}  // namespace

std::string ToText(Direction direction) { return direction == Direction::kUp ? "up" : "down"; }

ReviewedPlan Review(const Graph& graph, const Plan& plan, const UndoScripts& undos) {
  ReviewedPlan reviewed{.target = plan.target.name,
                        .direction = plan.direction,
                        .from_heads = plan.from_heads,
                        .to_heads = plan.to_heads,
                        .steps = {}};
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    for (const std::size_t index : item.steps) {
      const Step& step = revision.steps[index];
      ReviewedStep entry{.service = revision.service,
                         .revision = revision.id,
                         .revision_checksum = revision.checksum,
                         .ordinal = step.ordinal,
                         .name = step.name,
                         .kind = std::string(KindText(step.kind)),
                         .checksum = step.checksum,
                         .direction = plan.direction,
                         .undo_sha256 = ""};
      const auto undo = undos.find({revision.id, step.ordinal});
      if (plan.direction == Direction::kDown && undo != undos.end()) {
        entry.undo_sha256 = Sha256Hex(undo->second.text);
      }
      reviewed.steps.push_back(std::move(entry));
    }
  }
  return reviewed;
}

std::vector<std::string> DifferencesOf(const ReviewedPlan& reviewed, const ReviewedPlan& now,
                                       const AppliedState& state) {
  std::vector<std::string> differences;
  if (reviewed.direction != now.direction) {
    differences.push_back("direction: " + ToText(now.direction) + " instead of " +
                          ToText(reviewed.direction));
    return differences;
  }
  const auto first_left =
      std::find_if_not(reviewed.steps.begin(), reviewed.steps.end(),
                       [&](const ReviewedStep& step) { return IsDone(step, state); });
  std::vector<ReviewedStep> left(first_left, reviewed.steps.end());
  // One that depends on another may have been made again with it, before its turn.
  std::erase_if(left, [&](const ReviewedStep& step) {
    return step.kind == kRepeatableKind && IsDone(step, state);
  });
  CompareSteps(left, now.steps, differences);
  // Once a part is done, the start is another one by right. Where the plan leads to then tells
  // whether anything else was changed meanwhile.
  if (first_left == reviewed.steps.begin() && reviewed.from_heads != now.from_heads) {
    differences.push_back("starts from: " + HeadsText(now.from_heads) + " instead of " +
                          HeadsText(reviewed.from_heads));
  }
  if (reviewed.to_heads != now.to_heads) {
    differences.push_back("leads to: " + HeadsText(now.to_heads) + " instead of " +
                          HeadsText(reviewed.to_heads));
  }
  return differences;
}

absl::Status PlanChanged(const ReviewedPlan& reviewed,
                         const std::vector<std::string>& differences) {
  if (differences.empty()) return absl::OkStatus();
  std::string message = "what would run is not what was reviewed:\n";
  std::size_t shown = 0;
  for (const std::string& difference : differences) {
    if (shown > 0 && message.size() + difference.size() > kMostDifferenceBytes) break;
    message += "  " + difference + "\n";
    ++shown;
  }
  if (shown < differences.size()) {
    message += absl::StrFormat("  and %d more\n", differences.size() - shown);
  }
  message += "nothing was changed; review a new plan: lockstep plan " + reviewed.target +
             (reviewed.direction == Direction::kDown ? " --down" : "") + " -o FILE";
  return Error(absl::StatusCode::kFailedPrecondition, "PLAN_CHANGED", message)
      .With("fingerprint", std::string_view(FingerprintOf(reviewed)))
      .With("differences", static_cast<long long>(differences.size()));
}

std::string CanonicalText(const ReviewedPlan& plan) {
  nlohmann::json steps = nlohmann::json::array();
  for (const ReviewedStep& step : plan.steps) {
    steps.push_back({{"service", step.service},
                     {"revision", step.revision},
                     {"revision_checksum", step.revision_checksum},
                     {"step", step.ordinal},
                     {"step_name", step.name},
                     {"kind", step.kind},
                     {"checksum", step.checksum},
                     {"direction", ToText(step.direction)},
                     {"undo_sha256", step.undo_sha256}});
  }
  const nlohmann::json document = {{"target", plan.target},
                                   {"direction", ToText(plan.direction)},
                                   {"from_heads", plan.from_heads},
                                   {"to_heads", plan.to_heads},
                                   {"steps", std::move(steps)}};
  return JsonText(document);
}

std::string FingerprintOf(const ReviewedPlan& plan) { return Sha256Hex(CanonicalText(plan)); }

}  // namespace lockstep::migration
