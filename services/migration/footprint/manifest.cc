#include "services/migration/footprint/manifest.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "services/migration/engine/ownership.h"

namespace lockstep::migration::footprint {
namespace {

// Positions of the revisions that introduced what is used, by owner.
using Introduced = std::map<std::string, std::set<std::size_t>>;

Introduced IntroducedBy(const Catalog& catalog, const Footprint& footprint) {
  Introduced introduced;
  for (const auto& [name, columns] : footprint.relations) {
    const Relation& relation = catalog.relations.at(name);
    std::set<std::size_t>& of_owner =
        introduced[std::string(OwnerOf(std::string_view(name).substr(0, name.find('.'))))];
    of_owner.insert(relation.introduced);
    for (const std::string& column : columns) of_owner.insert(relation.columns.at(column));
  }
  return introduced;
}

bool Contains(const RevisionSet& set, std::size_t position) {
  return std::binary_search(set.begin(), set.end(), position);
}

// The oldest revision of `owner` with which all of `needed` are applied: the newest of them, or
// where they stand on branches, the one that joins those. REQUIRES: not empty.
std::size_t OldestWithAll(const Graph& graph, const std::string& owner,
                          const std::set<std::size_t>& needed) {
  const std::size_t newest = *needed.rbegin();
  for (const std::size_t candidate : graph.OfService(owner)) {
    if (candidate < newest) continue;
    const RevisionSet closure = graph.Closure({candidate});
    if (std::all_of(needed.begin(), needed.end(),
                    [&](std::size_t position) { return Contains(closure, position); })) {
      return candidate;
    }
  }
  return newest;
}

Problem BadMinimum(const std::string& owner, const std::string& revision, std::string code,
                   const std::string& why) {
  return {.file = "",
          .code = std::move(code),
          .message = "minimum " + owner + "=" + revision + ": " + why};
}

// The required position with the minimum taken into account.
std::optional<std::size_t> WithMinimum(const Graph& graph, const std::string& owner,
                                       std::optional<std::size_t> generated,
                                       const std::string& minimum, std::vector<Problem>& problems) {
  const std::optional<std::size_t> position = graph.Find(minimum);
  if (!position.has_value() || graph.at(*position).service != owner) {
    problems.push_back(BadMinimum(owner, minimum, "MINIMUM_UNKNOWN",
                                  "there is no such revision of " + owner + "; give its id"));
    return generated;
  }
  if (!generated.has_value()) return position;
  if (Contains(graph.Closure({*generated}), *position)) {
    problems.push_back(BadMinimum(
        owner, minimum, "MINIMUM_NOT_NEEDED",
        "what the SQL names requires " + graph.at(*generated).id + " anyway; delete the minimum"));
    return generated;
  }
  return OldestWithAll(graph, owner, {*generated, *position});
}

std::string HeadOf(const Graph& graph, const std::string& owner) {
  const RevisionSet heads = graph.Heads(graph.OfService(owner));
  return heads.empty() ? "" : graph.at(heads.back()).id;
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

GeneratedManifest MakeManifest(const Graph& graph, const Catalog& catalog,
                               const Footprint& footprint, const std::string& service,
                               const std::map<std::string, std::string>& minimums,
                               std::vector<Problem>& problems) {
  Introduced introduced = IntroducedBy(catalog, footprint);
  introduced.try_emplace(service);
  for (const auto& [owner, minimum] : minimums) {
    if (introduced.contains(owner)) continue;
    problems.push_back(BadMinimum(
        owner, minimum, "MINIMUM_NOT_NEEDED",
        "the SQL of " + service + " names nothing of " + owner + "; delete the minimum"));
  }
  GeneratedManifest generated;
  generated.manifest.service = service;
  generated.manifest.footprint = footprint.Names();
  std::optional<std::size_t> last;
  for (const auto& [owner, needed] : introduced) {
    std::optional<std::size_t> required;
    if (!needed.empty()) required = OldestWithAll(graph, owner, needed);
    if (const auto minimum = minimums.find(owner); minimum != minimums.end()) {
      required = WithMinimum(graph, owner, required, minimum->second, problems);
    }
    generated.manifest.uses.push_back(
        {.service = owner,
         .required_revision = required.has_value() ? graph.at(*required).id : "",
         .built_for = HeadOf(graph, owner)});
    if (required.has_value()) last = std::max(last.value_or(0), *required);
  }
  if (last.has_value()) generated.required_revision = graph.at(*last).id;
  return generated;
}

std::string RenderSource(const GeneratedManifest& generated) {
  const BuildManifest& manifest = generated.manifest;
  std::string text = "// Generated by lockstep-footprint from the sources of " + manifest.service +
                     ", common/ and migrations/. Do not edit.\n"
                     "#include \"services/" +
                     manifest.service + "/manifest.h\"\n\nnamespace lockstep::" + manifest.service +
                     " {\n\n"
                     "const revision_gate::BuildManifest& Manifest() {\n"
                     "  static const auto& manifest = *new revision_gate::BuildManifest{\n"
                     "      .required_revision = " +
                     Quoted(generated.required_revision) + ",\n      .uses = {\n";
  for (const SchemaUse& use : manifest.uses) {
    text += "          {" + Quoted(use.service) + ", " + Quoted(use.required_revision) + ", " +
            Quoted(use.built_for) + "},\n";
  }
  text += "      },\n      .footprint = {\n";
  for (const std::string& name : manifest.footprint) text += "          " + Quoted(name) + ",\n";
  return text +
         "      }};\n  return manifest;\n}\n\n}  // namespace lockstep::" + manifest.service + "\n";
}

}  // namespace lockstep::migration::footprint
