#include <algorithm>
#include <charconv>
#include <string_view>

#include "services/migration/server/metrics/figures.h"

namespace lockstep::migration {
namespace {

// "2.10.1" as {2, 10, 1}; what is not a number counts as 0, so an unreadable build is an old one.
std::array<int, 3> BuildNumbers(std::string_view text) {
  std::array<int, 3> numbers{};
  for (int& number : numbers) {
    const std::size_t dot = std::min(text.find('.'), text.size());
    std::from_chars(text.data(), text.data() + dot, number);
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return numbers;
}

bool IsPending(const AppliedState& state, const Revision& revision) {
  const auto applied = state.revisions.find(revision.id);
  return applied == state.revisions.end() || !applied->second.is_complete;
}

}  // namespace

std::map<std::pair<std::string, std::string>, int> ContractBlockers(
    const Graph& graph, const AppliedState& state, const std::vector<Instance>& instances) {
  std::map<std::pair<std::string, std::string>, int> blockers;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const Revision& revision = graph.at(i);
    if (revision.phase != Phase::kContract || !IsPending(state, revision)) continue;
    const auto oldest = BuildNumbers(revision.oldest_build);
    blockers[{revision.service, revision.id}] = static_cast<int>(
        std::count_if(instances.begin(), instances.end(), [&](const Instance& instance) {
          return instance.is_live && instance.service == revision.service &&
                 !revision.oldest_build.empty() && BuildNumbers(instance.build) < oldest;
        }));
  }
  return blockers;
}

}  // namespace lockstep::migration
