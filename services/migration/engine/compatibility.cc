#include "services/migration/engine/compatibility.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

std::optional<std::array<int, 3>> NumbersOf(std::string_view build) {
  std::array<int, 3> numbers{};
  const char* at = build.data();
  const char* const end = at + build.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) {
      if (at == end || *at != '.') return std::nullopt;
      ++at;
    }
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc() || next == at || numbers[i] < 0) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return numbers;
}

std::string SchemaOf(std::string_view object) {
  return std::string(object.substr(0, object.find('.')));
}

void Merge(const Script& script, Takings& takings) {
  takings.objects.insert(takings.objects.end(), script.facts.taken.begin(),
                         script.facts.taken.end());
  if (script.is_opaque || script.facts.has_hidden_code) takings.is_all = false;
}

// The first of `objects` that the build names; "" = none.
std::string FirstNamed(const BuildManifest& manifest, const std::vector<std::string>& objects) {
  for (const std::string& object : objects) {
    if (Names(manifest, object)) return object;
  }
  return "";
}

// What ends the use of something by this build.
std::string StopRemedy(const BuildInUse& build, const std::string& newer) {
  if (build.instance.empty()) {
    return "release it with: lockstep builds release " + build.manifest.service + " " +
           build.manifest.build;
  }
  return "replace it with " + newer + ", or stop it";
}

}  // namespace

std::string BuildInUse::text() const {
  const std::string name = manifest.service + " " + manifest.build;
  if (instance.empty()) return name + " (kept as a rollback candidate)";
  return name + " (instance " + instance + (address.empty() ? "" : " at " + address) + ")";
}

std::string Violation::text() const {
  const std::string who =
      instance.empty() ? " (kept as a rollback candidate)" : " (instance " + instance + ")";
  return service + " " + build + who + " stands against revision " + revision + " of " + owner +
         (object.empty() ? "" : ", " + object) + ": " + why + "; " + remedy;
}

Takings TakingsOf(const Script& script) {
  Takings takings;
  Merge(script, takings);
  return takings;
}

Takings TakingsOf(const Revision& revision) {
  Takings takings;
  for (const Step& step : revision.steps) Merge(step.up, takings);
  return takings;
}

std::optional<int> CompareBuilds(std::string_view one, std::string_view other) {
  const auto left = NumbersOf(one);
  const auto right = NumbersOf(other);
  if (!left.has_value() || !right.has_value()) return std::nullopt;
  if (*left == *right) return 0;
  return *left < *right ? -1 : 1;
}

bool Names(const BuildManifest& manifest, std::string_view object) {
  const auto at = manifest.footprint.lower_bound(object);
  if (at == manifest.footprint.end()) return false;
  if (*at == object) return true;
  // Of a relation, any of its columns. "." sorts behind other characters that a name may hold.
  const std::string columns = std::string(object) + ".";
  const auto column = manifest.footprint.lower_bound(columns);
  return column != manifest.footprint.end() && column->starts_with(columns);
}

bool UsesSchemasOf(const BuildManifest& manifest, std::string_view owner) {
  if (manifest.service == owner) return true;
  const auto declares = [&](const SchemaUse& use) { return use.service == owner; };
  if (std::any_of(manifest.uses.begin(), manifest.uses.end(), declares)) return true;
  return std::any_of(manifest.footprint.begin(), manifest.footprint.end(),
                     [&](const std::string& name) { return OwnerOf(SchemaOf(name)) == owner; });
}

Compatibility::Compatibility(const Graph& graph, const std::vector<BuildInUse>& builds)
    : graph_(graph), builds_(builds) {
  for (const BuildInUse& build : builds_) {
    RevisionSet known;
    for (const SchemaUse& use : build.manifest.uses) {
      for (const std::string& id : {use.required_revision, use.built_for}) {
        if (const auto position = graph_.Find(id); position.has_value()) known.push_back(*position);
      }
    }
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    reach_.push_back(graph_.Closure(known));
  }
}

bool Compatibility::WasBuiltFor(std::size_t build, std::size_t position) const {
  return std::binary_search(reach_[build].begin(), reach_[build].end(), position);
}

bool Compatibility::WasBuiltBefore(std::size_t build, std::size_t position) const {
  const std::string& owner = graph_.at(position).service;
  for (const SchemaUse& use : builds_[build].manifest.uses) {
    if (use.service == owner && graph_.Find(use.built_for).has_value()) {
      return !WasBuiltFor(build, position);
    }
  }
  return false;
}

Violation Compatibility::Against(std::size_t build, std::size_t position) const {
  const BuildInUse& in_use = builds_[build];
  Violation violation;
  violation.instance = in_use.instance;
  violation.service = in_use.manifest.service;
  violation.build = in_use.manifest.build;
  violation.owner = graph_.at(position).service;
  violation.revision = graph_.at(position).id;
  violation.until = in_use.lease_ends;
  return violation;
}

std::optional<Violation> Compatibility::AgainstContract(std::size_t build, std::size_t position,
                                                        const Takings& takings) const {
  const Revision& revision = graph_.at(position);
  const BuildInUse& in_use = builds_[build];
  if (!UsesSchemasOf(in_use.manifest, revision.service)) return std::nullopt;
  Violation violation = Against(build, position);
  violation.is_gate = true;
  violation.remedy = StopRemedy(in_use, "a build that was built for " + revision.id);
  if (!revision.oldest_build.empty() && in_use.manifest.service == revision.service &&
      CompareBuilds(in_use.manifest.build, revision.oldest_build).value_or(-1) < 0) {
    violation.is_too_old = true;
    violation.why = "the revision leaves no build before " + revision.oldest_build + " working";
    violation.remedy = StopRemedy(in_use, "build " + revision.oldest_build + " or newer");
    return violation;
  }
  if (WasBuiltFor(build, position)) return std::nullopt;
  // Without a list of what goes a footprint proves nothing.
  const bool can_prove =
      takings.is_all && !takings.objects.empty() && !in_use.manifest.footprint.empty();
  violation.object = FirstNamed(in_use.manifest, takings.objects);
  if (can_prove && violation.object.empty()) return std::nullopt;
  violation.why = violation.object.empty()
                      ? "it was built before the revision, and nothing proves that it does not use "
                        "what goes"
                      : "it was built before the revision and uses what goes";
  return violation;
}

std::vector<Violation> Compatibility::OfContract(std::size_t position) const {
  std::vector<Violation> found;
  const Takings takings = TakingsOf(graph_.at(position));
  for (std::size_t build = 0; build < builds_.size(); ++build) {
    auto violation = AgainstContract(build, position, takings);
    if (violation.has_value()) found.push_back(*std::move(violation));
  }
  return found;
}

std::optional<Violation> Compatibility::OfApplied(std::size_t build,
                                                  const RevisionSet& applied) const {
  for (const std::size_t position : applied) {
    const Revision& revision = graph_.at(position);
    if (revision.phase != Phase::kContract) continue;
    auto violation = AgainstContract(build, position, TakingsOf(revision));
    if (!violation.has_value()) continue;
    const bool is_certain =
        violation->is_too_old || !violation->object.empty() || WasBuiltBefore(build, position);
    if (is_certain) return violation;
  }
  return std::nullopt;
}

void Compatibility::AddExpand(std::size_t position, const Step& step,
                              std::vector<Violation>& found) const {
  const Revision& revision = graph_.at(position);
  const Takings takings = TakingsOf(step.up);
  for (std::size_t build = 0; build < builds_.size(); ++build) {
    const BuildInUse& in_use = builds_[build];
    if (in_use.is_silent || WasBuiltFor(build, position)) continue;
    Violation violation = Against(build, position);
    if (in_use.manifest.footprint.empty()) {
      const bool is_too_old =
          !revision.oldest_build.empty() && in_use.manifest.service == revision.service &&
          CompareBuilds(in_use.manifest.build, revision.oldest_build).value_or(-1) < 0;
      if (!is_too_old) continue;
      violation.why = "the revision leaves no build before " + revision.oldest_build + " working";
      violation.remedy = StopRemedy(in_use, "build " + revision.oldest_build + " or newer");
    } else {
      violation.object = FirstNamed(in_use.manifest, takings.objects);
      if (violation.object.empty()) continue;
      violation.why = "step " + step.name + " takes away or reshapes what it uses";
      violation.remedy = StopRemedy(in_use, "a build that was built for " + revision.id) +
                         "; or make it a PHASE_CONTRACT";
    }
    const bool is_told = std::any_of(found.begin(), found.end(),
                                     [&](const Violation& other) { return other == violation; });
    if (!is_told) found.push_back(std::move(violation));
  }
}

void Compatibility::AddUndo(const PlanItem& item, const UndoTexts& undos,
                            std::vector<Violation>& found) const {
  const Revision& revision = graph_.at(item.position);
  for (std::size_t build = 0; build < builds_.size(); ++build) {
    const BuildInUse& in_use = builds_[build];
    Violation violation = Against(build, item.position);
    violation.remedy = StopRemedy(in_use, "a build from before " + revision.id);
    const auto requires_it = [&](const SchemaUse& use) {
      return graph_.Find(use.required_revision) == item.position;
    };
    if (std::any_of(in_use.manifest.uses.begin(), in_use.manifest.uses.end(), requires_it)) {
      violation.why = "it requires the revision that goes";
      violation.is_required = true;
      found.push_back(std::move(violation));
      continue;
    }
    if (WasBuiltBefore(build, item.position)) continue;
    for (const std::size_t index : item.steps) {
      const auto undo = undos.find({revision.id, revision.steps[index].ordinal});
      if (undo == undos.end()) continue;
      violation.object = FirstNamed(in_use.manifest, TakingsOf(undo->second).objects);
      if (violation.object.empty()) continue;
      violation.why = "the undo takes away or reshapes what it uses";
      found.push_back(std::move(violation));
      break;
    }
  }
}

std::vector<Violation> Compatibility::OfPlan(const Plan& plan, const UndoTexts& undos) const {
  std::vector<Violation> found;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph_.at(item.position);
    if (plan.direction == Direction::kDown) {
      AddUndo(item, undos, found);
    } else if (revision.phase == Phase::kContract) {
      const std::vector<Violation> gate = OfContract(item.position);
      found.insert(found.end(), gate.begin(), gate.end());
    } else {
      for (const std::size_t index : item.steps) {
        AddExpand(item.position, revision.steps[index], found);
      }
    }
  }
  return found;
}

}  // namespace lockstep::migration
