#include "services/migration/engine/target.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

constexpr std::size_t kMostCandidates = 10;

std::string Join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above + 1, row[j - 1] + 1, replaced});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// "+2" or "-1"; nullopt for anything else.
std::optional<int> ParseRelative(std::string_view text) {
  if (text.size() < 2 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  int steps = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), steps);
  if (error != std::errc() || end != text.data() + text.size() || steps <= 0) return std::nullopt;
  return text[0] == '+' ? steps : -steps;
}

bool IsSubset(const RevisionSet& inner, const RevisionSet& outer) {
  return std::includes(outer.begin(), outer.end(), inner.begin(), inner.end());
}

absl::Status OutOfRange(std::string_view text, std::string message) {
  return Error(absl::StatusCode::kOutOfRange, "TARGET_OUT_OF_RANGE", message).With("target", text);
}

class Resolver {
 public:
  Resolver(const Graph& graph, const RevisionSet& applied) : graph_(graph), applied_(applied) {}

  absl::StatusOr<Target> Resolve(std::string_view text) const {
    absl::StatusOr<Target> target = ResolveText(text);
    if (target.ok()) target->text = text;
    return target;
  }

 private:
  absl::StatusOr<Target> ResolveText(std::string_view text) const {
    if (text.empty()) {
      return Error(absl::StatusCode::kInvalidArgument, "TARGET_INVALID",
                   "the target is empty; say head, base, a release or a revision");
    }
    if (text == "head")
      return Target{.text = "", .name = "head", .service = "", .members = graph_.All()};
    if (text == "base") return Target{.text = "", .name = "base", .service = "", .members = {}};
    if (const auto steps = ParseRelative(text); steps.has_value())
      return StepReleases(text, *steps);
    if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
      return ResolveInService(text.substr(0, at), text.substr(at + 1), text);
    }
    if (const auto release = graph_.FindRelease(text); release.has_value())
      return AtRelease(*release);
    ASSIGN_OR_RETURN(const std::size_t revision, ResolveRevision(graph_, text));
    return AtRevision(revision);
  }

  Target AtRelease(std::size_t release) const {
    return {.text = "",
            .name = graph_.definitions().releases[release].name,
            .service = "",
            .members = graph_.ReleaseSet(release)};
  }

  Target AtRevision(std::size_t revision) const {
    return {.text = "",
            .name = graph_.at(revision).id,
            .service = graph_.at(revision).service,
            .members = graph_.Closure({revision})};
  }

  absl::StatusOr<Target> ResolveInService(std::string_view service, std::string_view rest,
                                          std::string_view text) const {
    if (!IsService(service)) {
      std::string known;
      for (const std::string_view name : Services())
        known.append(known.empty() ? "" : ", ").append(name);
      return Error(absl::StatusCode::kNotFound, "TARGET_UNKNOWN",
                   "there is no service " + std::string(service) + "; services are " + known)
          .With("target", text);
    }
    const RevisionSet own = graph_.OfService(service);
    const std::string prefix = std::string(service) + "@";
    const auto target = [&](std::string name, RevisionSet members) {
      return Target{.text = "",
                    .name = std::move(name),
                    .service = std::string(service),
                    .members = std::move(members)};
    };
    if (rest == "head") return target(prefix + "head", graph_.Closure(own));
    if (rest == "base") return target(prefix + "base", {});
    if (const auto steps = ParseRelative(rest); steps.has_value()) {
      return StepRevisions(own, *steps, prefix, text);
    }
    ASSIGN_OR_RETURN(const std::size_t revision, ResolveRevision(graph_, rest));
    if (graph_.at(revision).service != service) {
      return Error(absl::StatusCode::kNotFound, "TARGET_UNKNOWN",
                   graph_.at(revision).id + " is a revision of " + graph_.at(revision).service +
                       ", not of " + std::string(service))
          .With("target", text);
    }
    return AtRevision(revision);
  }

  // Releases are stops on one line, with base in front and, when there are unreleased revisions,
  // head at the end.
  absl::StatusOr<Target> StepReleases(std::string_view text, int steps) const {
    const std::vector<Release>& releases = graph_.definitions().releases;
    if (releases.empty()) {
      return OutOfRange(
          text, "no releases are defined; step over the revisions of one service, as in orders" +
                    std::string("@") + std::string(text));
    }
    std::vector<Target> stops = {{.text = "", .name = "base", .service = "", .members = {}}};
    for (std::size_t r = 0; r < releases.size(); ++r) stops.push_back(AtRelease(r));
    if (stops.back().members.size() < graph_.size()) {
      stops.push_back({.text = "", .name = "head", .service = "", .members = graph_.All()});
    }
    std::size_t current = stops.size() - 1;
    while (!IsSubset(stops[current].members, applied_)) --current;
    // Between two stops the first step back leads to the one that is complete.
    const bool is_between = applied_.size() > stops[current].members.size();
    const long long wanted =
        static_cast<long long>(current) + steps + (is_between && steps < 0 ? 1 : 0);
    if (wanted < 0 || wanted >= static_cast<long long>(stops.size())) {
      return OutOfRange(text, std::string(text) + " leads beyond " +
                                  (wanted < 0 ? "base" : stops.back().name) +
                                  "; the current point is " + stops[current].name);
    }
    return stops[static_cast<std::size_t>(wanted)];
  }

  // The order of a service's revisions is a line, too: taking the last ones away always leaves a
  // closed set.
  absl::StatusOr<Target> StepRevisions(const RevisionSet& own, int steps, const std::string& prefix,
                                       std::string_view text) const {
    RevisionSet done;
    RevisionSet open;
    for (const std::size_t position : own) {
      const bool is_applied = std::binary_search(applied_.begin(), applied_.end(), position);
      (is_applied ? done : open).push_back(position);
    }
    const auto count = static_cast<std::size_t>(steps < 0 ? -static_cast<long long>(steps) : steps);
    const std::size_t available = steps < 0 ? done.size() : open.size();
    if (count > available) {
      return OutOfRange(text, std::string(text) + ": there are only " + std::to_string(available) +
                                  (steps < 0 ? " applied" : " pending") + " revisions; say " +
                                  prefix + (steps < 0 ? "base" : "head"));
    }
    if (steps < 0) {
      done.resize(done.size() - count);
    } else {
      done.insert(done.end(), open.begin(), open.begin() + static_cast<std::ptrdiff_t>(count));
      std::sort(done.begin(), done.end());
    }
    return Target{.text = "",
                  .name = prefix + (done.empty() ? "base" : graph_.at(done.back()).id),
                  .service = prefix.substr(0, prefix.size() - 1),
                  .members = graph_.Closure(done)};
  }

  const Graph& graph_;
  const RevisionSet& applied_;
};

absl::Status UnknownName(const Graph& graph, std::string_view text) {
  std::vector<std::string> known = {"head", "base"};
  std::vector<std::string> releases;
  for (const Release& release : graph.definitions().releases) releases.push_back(release.name);
  known.insert(known.end(), releases.begin(), releases.end());
  for (const Revision& revision : graph.definitions().revisions) {
    known.push_back(revision.id);
    known.insert(known.end(), revision.aliases.begin(), revision.aliases.end());
  }
  std::string message = "there is no release or revision " + std::string(text);
  const std::vector<std::string> nearest = NearestNames(text, known);
  if (!nearest.empty()) message += "; did you mean " + Join(nearest) + "?";
  if (IsService(text)) message += "; for the service say " + std::string(text) + "@head";
  if (releases.size() > kMostCandidates) {
    releases.erase(releases.begin(), releases.end() - static_cast<std::ptrdiff_t>(kMostCandidates));
  }
  if (!releases.empty()) message += "; known releases: " + Join(releases);
  return Error(absl::StatusCode::kNotFound, "TARGET_UNKNOWN", message)
      .With("target", text)
      .With("nearest", Join(nearest));
}

}  // namespace

std::vector<std::string> NearestNames(std::string_view text, const std::vector<std::string>& known,
                                      std::size_t limit) {
  // A name that differs in more than a third of its characters is another name, not a slip.
  const std::size_t most = std::max<std::size_t>(1, text.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& name : known) {
    const std::size_t shorter = std::min(name.size(), text.size());
    const std::size_t longer = std::max(name.size(), text.size());
    if (longer - shorter > most) continue;
    const std::size_t distance = EditDistance(text, name);
    if (distance <= most) near.emplace_back(distance, name);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> names;
  for (const auto& [distance, name] : near) {
    if (names.size() < limit) names.push_back(name);
  }
  return names;
}

absl::StatusOr<std::size_t> ResolveRevision(const Graph& graph, std::string_view text) {
  if (const auto exact = graph.Find(text); exact.has_value()) return *exact;
  const bool is_plausible = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_';
  });
  const RevisionSet found = is_plausible ? graph.FindByPrefix(text) : RevisionSet();
  if (found.size() == 1) return found[0];
  if (found.empty()) return UnknownName(graph, text);
  std::vector<std::string> candidates;
  for (const std::size_t position : found) {
    if (candidates.size() == kMostCandidates) {
      candidates.push_back("...");
      break;
    }
    candidates.push_back(graph.at(position).service + "@" + graph.at(position).id);
  }
  return Error(absl::StatusCode::kInvalidArgument, "TARGET_AMBIGUOUS",
               std::string(text) + " is the beginning of " + std::to_string(found.size()) +
                   " revisions: " + Join(candidates))
      .With("target", text)
      .With("candidates", Join(candidates));
}

absl::StatusOr<Target> ResolveTarget(const Graph& graph, std::string_view text,
                                     const RevisionSet& applied) {
  return Resolver(graph, applied).Resolve(text);
}

}  // namespace lockstep::migration
