#include "services/migration/engine/graph.h"

#include <algorithm>
#include <set>

namespace lockstep::migration {
namespace {

RevisionSet ToSet(const std::vector<bool>& marked) {
  RevisionSet set;
  for (std::size_t i = 0; i < marked.size(); ++i) {
    if (marked[i]) set.push_back(i);
  }
  return set;
}

std::vector<bool> ToMarks(const RevisionSet& set, std::size_t size) {
  std::vector<bool> marked(size);
  for (const std::size_t position : set) marked[position] = true;
  return marked;
}

}  // namespace

Graph::Graph(const Definitions& definitions)
    : definitions_(definitions),
      needs_(definitions.revisions.size()),
      needed_by_(definitions.revisions.size()),
      parents_(definitions.revisions.size()),
      release_of_(definitions.revisions.size()) {
  std::set<std::string> services;
  by_name_.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) {
    by_name_.emplace(at(i).id, i);
    for (const std::string& alias : at(i).aliases) by_name_.emplace(alias, i);
    services.insert(at(i).service);
  }
  services_.assign(services.begin(), services.end());
  for (std::size_t i = 0; i < size(); ++i) {
    for (const std::string& id : at(i).down_revision) parents_[i].push_back(by_name_.at(id));
    needs_[i] = parents_[i];
    for (const std::string& id : at(i).depends_on) needs_[i].push_back(by_name_.at(id));
    std::sort(needs_[i].begin(), needs_[i].end());
    needs_[i].erase(std::unique(needs_[i].begin(), needs_[i].end()), needs_[i].end());
    for (const std::size_t need : needs_[i]) needed_by_[need].push_back(i);
  }
  std::vector<bool> released(size());
  for (std::size_t r = 0; r < definitions.releases.size(); ++r) {
    releases_by_name_.emplace(definitions.releases[r].name, r);
    for (const std::string& id : definitions.releases[r].revisions) {
      const std::size_t position = by_name_.at(id);
      released[position] = true;
      release_of_[position] = r;
    }
    release_sets_.push_back(ToSet(released));
  }
}

std::optional<std::size_t> Graph::Find(std::string_view id_or_alias) const {
  const auto it = by_name_.find(std::string(id_or_alias));
  return it == by_name_.end() ? std::nullopt : std::optional(it->second);
}

RevisionSet Graph::FindByPrefix(std::string_view prefix) const {
  RevisionSet found;
  for (std::size_t i = 0; i < size(); ++i) {
    const auto matches = [&](const std::string& name) { return name.starts_with(prefix); };
    if (matches(at(i).id) || std::any_of(at(i).aliases.begin(), at(i).aliases.end(), matches)) {
      found.push_back(i);
    }
  }
  return found;
}

RevisionSet Graph::All() const { return ToSet(std::vector<bool>(size(), true)); }

RevisionSet Graph::OfService(std::string_view service) const {
  RevisionSet found;
  for (std::size_t i = 0; i < size(); ++i) {
    if (at(i).service == service) found.push_back(i);
  }
  return found;
}

// What a revision needs has a smaller position, so one pass from the end sees every revision after
// all that need it.
RevisionSet Graph::Closure(const RevisionSet& set) const {
  std::vector<bool> marked = ToMarks(set, size());
  for (std::size_t i = size(); i-- > 0;) {
    if (!marked[i]) continue;
    for (const std::size_t need : needs_[i]) marked[need] = true;
  }
  return ToSet(marked);
}

RevisionSet Graph::Dependents(const RevisionSet& set) const {
  std::vector<bool> marked = ToMarks(set, size());
  for (std::size_t i = 0; i < size(); ++i) {
    if (!marked[i]) continue;
    for (const std::size_t dependent : needed_by_[i]) marked[dependent] = true;
  }
  return ToSet(marked);
}

RevisionSet Graph::Heads(const RevisionSet& set) const {
  std::vector<bool> is_head = ToMarks(set, size());
  for (const std::size_t position : set) {
    for (const std::size_t parent : parents_[position]) is_head[parent] = false;
  }
  return ToSet(is_head);
}

std::optional<std::size_t> Graph::FindRelease(std::string_view name) const {
  const auto it = releases_by_name_.find(std::string(name));
  return it == releases_by_name_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::size_t> Graph::ReleaseOf(std::size_t position) const {
  return release_of_[position];
}

}  // namespace lockstep::migration
