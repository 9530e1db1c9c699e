#include "services/migration/engine/definition_checks.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <queue>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace lockstep::migration {
namespace {

using Positions = std::vector<std::size_t>;

class Assembler {
 public:
  Assembler(std::vector<RevisionDraft>& drafts, ReleasesDraft& releases,
            std::vector<Problem>& problems)
      : drafts_(drafts), releases_(releases), problems_(problems), needs_(drafts.size()) {}

  Definitions Run() {
    CollectNames();
    ResolveReferences();
    const std::optional<Positions> order = Order(std::vector<std::size_t>(drafts_.size(), 0));
    if (!order.has_value()) ReportCycles();
    CheckRootsAndHeads();
    CheckReleases();
    if (order.has_value()) CheckSuperseded(*order);
    Definitions definitions;
    definitions.releases = std::move(releases_.releases);
    definitions.revisions.reserve(drafts_.size());
    for (const std::size_t i : Order(release_of_).value_or(Positions())) {
      definitions.revisions.push_back(std::move(drafts_[i].revision));
    }
    return definitions;
  }

 private:
  const Revision& At(std::size_t i) const { return drafts_[i].revision; }

  void Refuse(const std::string& file, int line, const char* code, std::string message) {
    problems_.push_back({file, line, 0, code, std::move(message)});
  }
  void Refuse(std::size_t i, const char* field, int index, const char* code, std::string message) {
    Refuse(drafts_[i].file, drafts_[i].lines.Line(field, index), code, std::move(message));
  }

  void AddName(std::size_t i, const std::string& name, const char* field, int index) {
    if (name.empty()) return;
    const auto [it, is_new] = by_name_.emplace(name, i);
    if (is_new) return;
    Refuse(
        i, field, index, "ID_TAKEN",
        (index < 0 ? "id " : "alias ") + name + " is already used by " + drafts_[it->second].file);
  }

  void CollectNames() {
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      if (!drafts_[i].is_readable) has_unreadable_ = true;
      AddName(i, At(i).id, "id", -1);
    }
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      for (std::size_t a = 0; a < At(i).aliases.size(); ++a) {
        AddName(i, At(i).aliases[a], "aliases", static_cast<int>(a));
      }
    }
  }

  // The revision called `name`; refuses, unless the name may belong to a folder that could not be
  // read.
  std::optional<std::size_t> Find(std::size_t i, const char* field, int index, const char* code,
                                  const std::string& name) {
    if (const auto it = by_name_.find(name); it != by_name_.end()) return it->second;
    for (const RevisionDraft& draft : drafts_) {
      const std::string folder = draft.revision.folder;
      if (!draft.is_readable && folder.substr(folder.find('/') + 1).starts_with(name)) return {};
    }
    Refuse(i, field, index, code, "there is no revision " + name);
    return std::nullopt;
  }

  void ResolveReferences() {
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      Revision& revision = drafts_[i].revision;
      for (std::size_t p = 0; p < revision.down_revision.size(); ++p) {
        ResolveNeed(i, "down_revision", static_cast<int>(p), revision.down_revision[p], true);
      }
      for (std::size_t d = 0; d < revision.depends_on.size(); ++d) {
        ResolveNeed(i, "depends_on", static_cast<int>(d), revision.depends_on[d], false);
      }
      for (std::size_t s = 0; s < revision.supersedes_verify.size(); ++s) {
        std::string& name = revision.supersedes_verify[s];
        const auto found =
            Find(i, "supersedes_verify", static_cast<int>(s), "UNKNOWN_SUPERSEDED", name);
        if (found.has_value()) name = At(*found).id;
      }
      std::sort(needs_[i].begin(), needs_[i].end());
      needs_[i].erase(std::unique(needs_[i].begin(), needs_[i].end()), needs_[i].end());
    }
  }

  void ResolveNeed(std::size_t i, const char* field, int index, std::string& name, bool is_parent) {
    const auto found =
        Find(i, field, index, is_parent ? "UNKNOWN_PARENT" : "UNKNOWN_DEPENDENCY", name);
    if (!found.has_value()) return;
    const bool same_service = At(*found).service == At(i).service;
    if (is_parent && !same_service) {
      Refuse(i, field, index, "PARENT_OF_OTHER_SERVICE",
             name + " belongs to " + At(*found).service + "; name it in depends_on");
    } else if (!is_parent && same_service) {
      Refuse(i, field, index, "DEPENDENCY_IN_SERVICE",
             name + " is of the same service; only down_revision orders revisions of one service");
    }
    name = At(*found).id;
    needs_[i].push_back(*found);
    if (is_parent) is_parent_[*found] = true;
  }

  // Everything after what it needs; ties by rank, service, id. nullopt when there is a cycle.
  std::optional<Positions> Order(const std::vector<std::size_t>& rank) const {
    using Key = std::tuple<std::size_t, std::string_view, std::string_view, std::size_t>;
    std::priority_queue<Key, std::vector<Key>, std::greater<>> ready;
    std::vector<std::size_t> missing(drafts_.size());
    std::vector<Positions> needed_by(drafts_.size());
    const auto key = [&](std::size_t i) {
      return Key(rank.empty() ? 0 : rank[i], At(i).service, At(i).id, i);
    };
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      missing[i] = needs_[i].size();
      for (const std::size_t need : needs_[i]) needed_by[need].push_back(i);
      if (missing[i] == 0) ready.push(key(i));
    }
    Positions order;
    while (!ready.empty()) {
      const std::size_t next = std::get<3>(ready.top());
      ready.pop();
      order.push_back(next);
      for (const std::size_t dependent : needed_by[next]) {
        if (--missing[dependent] == 0) ready.push(key(dependent));
      }
    }
    if (order.size() != drafts_.size()) return std::nullopt;
    return order;
  }

  // Walks down until a revision comes again; every cycle is named once, by its path.
  void ReportCycles() {
    enum class Mark { kNew, kOnPath, kDone };
    std::vector<Mark> marks(drafts_.size(), Mark::kNew);
    for (std::size_t start = 0; start < drafts_.size(); ++start) {
      if (marks[start] != Mark::kNew) continue;
      // An explicit stack: a chain may be longer than the thread's stack is deep.
      std::vector<std::pair<std::size_t, std::size_t>> path = {{start, 0}};
      marks[start] = Mark::kOnPath;
      while (!path.empty()) {
        auto& [at, next] = path.back();
        if (next == needs_[at].size()) {
          marks[at] = Mark::kDone;
          path.pop_back();
          continue;
        }
        const std::size_t need = needs_[at][next++];
        if (marks[need] == Mark::kOnPath) {
          ReportCycle(path, need);
        } else if (marks[need] == Mark::kNew) {
          marks[need] = Mark::kOnPath;
          path.emplace_back(need, 0);
        }
      }
    }
  }

  void ReportCycle(const std::vector<std::pair<std::size_t, std::size_t>>& path,
                   std::size_t closes_at) {
    std::string text;
    bool in_cycle = false;
    for (const auto& [at, next] : path) {
      in_cycle = in_cycle || at == closes_at;
      if (in_cycle) text += At(at).id + " -> ";
    }
    const char* field =
        At(path.back().first).service == At(closes_at).service ? "down_revision" : "depends_on";
    Refuse(path.back().first, field, -1, "CYCLE",
           "revisions need each other in a circle: " + text + At(closes_at).id);
  }

  void CheckRootsAndHeads() {
    // A folder that could not be read would look like a missing parent or child of others.
    if (has_unreadable_) return;
    std::map<std::string, Positions> roots;
    std::map<std::string, Positions> heads;
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      if (At(i).down_revision.empty()) roots[At(i).service].push_back(i);
      if (!is_parent_[i]) heads[At(i).service].push_back(i);
    }
    const auto report = [&](const std::map<std::string, Positions>& found, const char* code,
                            const char* what, const char* advice) {
      for (const auto& [service, members] : found) {
        if (members.size() < 2) continue;
        std::string ids;
        for (const std::size_t i : members) ids += (ids.empty() ? "" : ", ") + At(i).id;
        for (const std::size_t i : members) {
          Refuse(i, "down_revision", -1, code,
                 "service " + service + " has several " + what + ": " + ids + "; " + advice);
        }
      }
    };
    report(roots, "SEVERAL_ROOTS", "first revisions", "all but one need a down_revision");
    report(heads, "SEVERAL_HEADS", "heads", "add a merge revision with all of them as parents");
  }

  void RefuseRelease(std::size_t release, const char* field, int index, const char* code,
                     std::string message) {
    Refuse(releases_.file,
           releases_.lines.Line("releases", static_cast<int>(release), field, index), code,
           std::move(message));
  }

  void CheckReleases() {
    constexpr std::size_t kUnreleased = std::numeric_limits<std::size_t>::max();
    release_of_.assign(drafts_.size(), kUnreleased);
    std::unordered_map<std::string, std::size_t> names;
    for (std::size_t r = 0; r < releases_.releases.size(); ++r) {
      Release& release = releases_.releases[r];
      if (!names.emplace(release.name, r).second) {
        RefuseRelease(r, "name", -1, "RELEASE_TAKEN", "two releases are called " + release.name);
      }
      if (by_name_.contains(release.name)) {
        RefuseRelease(r, "name", -1, "RELEASE_TAKEN",
                      "release " + release.name + " has the name of a revision");
      }
      for (std::size_t m = 0; m < release.revisions.size(); ++m) AddMember(r, m);
    }
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      if (release_of_[i] == kUnreleased) continue;
      for (const std::size_t need : needs_[i]) {
        if (release_of_[need] <= release_of_[i]) continue;
        RefuseRelease(release_of_[i], "revisions", member_index_[i], "RELEASE_NOT_CLOSED",
                      "release " + releases_.releases[release_of_[i]].name + " has " + At(i).id +
                          " but not " + At(need).id + ", which it needs");
      }
    }
  }

  void AddMember(std::size_t release, std::size_t member) {
    std::string& name = releases_.releases[release].revisions[member];
    const int index = static_cast<int>(member);
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      if (!has_unreadable_) {
        RefuseRelease(release, "revisions", index, "RELEASE_UNKNOWN_REVISION",
                      "there is no revision " + name);
      }
      return;
    }
    const std::size_t i = found->second;
    name = At(i).id;
    if (release_of_[i] < releases_.releases.size()) {
      RefuseRelease(release, "revisions", index, "REVISION_IN_TWO_RELEASES",
                    name + " is already in release " + releases_.releases[release_of_[i]].name);
      return;
    }
    release_of_[i] = release;
    member_index_[i] = index;
  }

  // Only what is applied before can be superseded.
  void CheckSuperseded(const Positions& order) {
    std::vector<std::size_t> place(drafts_.size());
    for (std::size_t p = 0; p < order.size(); ++p) place[order[p]] = p;
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      for (std::size_t s = 0; s < At(i).supersedes_verify.size(); ++s) {
        const std::string& name = At(i).supersedes_verify[s];
        const auto found = by_name_.find(name);
        if (found == by_name_.end() || Needs(i, found->second, place)) continue;
        Refuse(i, "supersedes_verify", static_cast<int>(s), "SUPERSEDES_NO_ANCESTOR",
               name + " is not among what this revision needs");
      }
    }
  }

  bool Needs(std::size_t from, std::size_t wanted, const std::vector<std::size_t>& place) const {
    std::vector<bool> seen(drafts_.size());
    Positions open = {from};
    while (!open.empty()) {
      const std::size_t at = open.back();
      open.pop_back();
      for (const std::size_t need : needs_[at]) {
        if (need == wanted) return true;
        if (seen[need] || place[need] < place[wanted]) continue;
        seen[need] = true;
        open.push_back(need);
      }
    }
    return false;
  }

  std::vector<RevisionDraft>& drafts_;
  ReleasesDraft& releases_;
  std::vector<Problem>& problems_;
  std::vector<Positions> needs_;
  std::vector<bool> is_parent_ = std::vector<bool>(drafts_.size());
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<std::size_t> release_of_;
  std::unordered_map<std::size_t, int> member_index_;
  bool has_unreadable_ = false;
};

}  // namespace

Definitions Assemble(std::vector<RevisionDraft> drafts, ReleasesDraft releases,
                     std::vector<Problem>& problems) {
  return Assembler(drafts, releases, problems).Run();
}

}  // namespace lockstep::migration
