// The graph of revisions over all services: who needs whom.
//
// Revisions are named by their position in Definitions::revisions, which is the deterministic
// global order: everything that a revision needs has a smaller position. Pure; immutable after
// construction; thread-safe. All operations are linear in the number of revisions at worst.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

// Positions in Definitions::revisions, ascending and unique.
using RevisionSet = std::vector<std::size_t>;

class Graph {
 public:
  // `definitions` must be valid (LoadDefinitions) and outlive the graph.
  explicit Graph(const Definitions& definitions);

  const Definitions& definitions() const { return definitions_; }
  const Revision& at(std::size_t position) const { return definitions_.revisions[position]; }
  std::size_t size() const { return definitions_.revisions.size(); }

  // By exact id or alias.
  std::optional<std::size_t> Find(std::string_view id_or_alias) const;
  // Every revision whose id or alias starts with `prefix`.
  RevisionSet FindByPrefix(std::string_view prefix) const;

  // Services that have revisions, sorted.
  const std::vector<std::string>& services() const { return services_; }
  RevisionSet All() const;
  RevisionSet OfService(std::string_view service) const;

  // What `position` needs directly: parents and dependencies.
  const RevisionSet& Needs(std::size_t position) const { return needs_[position]; }
  // What needs `position` directly: children and dependents, in any service.
  const RevisionSet& NeededBy(std::size_t position) const { return needed_by_[position]; }

  // `set` and all that it needs.
  RevisionSet Closure(const RevisionSet& set) const;
  // `set` and all that needs it: what has to go when `set` goes.
  RevisionSet Dependents(const RevisionSet& set) const;

  // The members of `set` that no other member of the same service has as a parent.
  RevisionSet Heads(const RevisionSet& set) const;

  // Position of a release in Definitions::releases by name.
  std::optional<std::size_t> FindRelease(std::string_view name) const;
  // Every revision of the release and of those before it.
  const RevisionSet& ReleaseSet(std::size_t release) const { return release_sets_[release]; }
  // The release that introduced a revision; nullopt = unreleased.
  std::optional<std::size_t> ReleaseOf(std::size_t position) const;

 private:
  const Definitions& definitions_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<std::string> services_;
  std::vector<RevisionSet> needs_;
  std::vector<RevisionSet> needed_by_;
  std::vector<RevisionSet> parents_;
  std::unordered_map<std::string, std::size_t> releases_by_name_;
  std::vector<RevisionSet> release_sets_;
  std::vector<std::optional<std::size_t>> release_of_;
};

}  // namespace lockstep::migration
