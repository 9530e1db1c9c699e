#include "services/migration/engine/plan.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

std::string Join(const std::vector<std::string>& names, const char* separator) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : separator) + name;
  return out;
}

// Details of an error stay small enough for a trailer.
std::vector<std::string> AtMost(std::vector<std::string> names, std::size_t count) {
  if (names.size() > count) {
    const std::size_t left = names.size() - count;
    names.resize(count);
    names.push_back("and " + std::to_string(left) + " more");
  }
  return names;
}

const Step* FindStep(const Revision& revision, int ordinal) {
  for (const Step& step : revision.steps) {
    if (step.ordinal == ordinal) return &step;
  }
  return nullptr;
}

const AppliedStep* FindDone(const AppliedRevision& applied, int ordinal) {
  for (const AppliedStep& step : applied.steps) {
    if (step.ordinal == ordinal) return &step;
  }
  return nullptr;
}

bool IsDone(const AppliedRevision& applied, int ordinal) {
  return FindDone(applied, ordinal) != nullptr;
}

// What was edited in a revision that is applied, as lines for a person.
void FindEdits(const Revision& revision, const AppliedRevision& applied,
               std::vector<std::string>& edits) {
  const std::size_t before = edits.size();
  for (const AppliedStep& done : applied.steps) {
    const Step* step = FindStep(revision, done.ordinal);
    if (step == nullptr) {
      edits.push_back(revision.folder + "/revision.textproto (step " +
                      std::to_string(done.ordinal) + " \"" + done.name + "\" is gone)");
    } else if (step->checksum != done.checksum) {
      edits.push_back(step->up.file + " or " + step->down.file +
                      (step->expect.empty() ? "" : " or " + step->expect.file));
    }
  }
  if (!applied.is_complete || edits.size() > before) return;
  for (const Step& step : revision.steps) {
    if (!IsDone(applied, step.ordinal)) {
      edits.push_back(revision.folder + "/revision.textproto (step " +
                      std::to_string(step.ordinal) + " \"" + step.name + "\" is new)");
    }
  }
  if (edits.size() > before) return;
  if (!applied.checksum.empty() && applied.checksum != revision.checksum) {
    edits.push_back(revision.folder + "/revision.textproto or verify.sql" +
                    (revision.guard.empty() ? "" : " or guard.sql"));
  }
}

RevisionSet CompletePositions(const Graph& graph, const AppliedState& state,
                              const RevisionSet& applied) {
  RevisionSet complete;
  for (const std::size_t position : applied) {
    if (state.revisions.at(graph.at(position).id).is_complete) complete.push_back(position);
  }
  return complete;
}

RevisionSet Without(const RevisionSet& set, const RevisionSet& gone) {
  RevisionSet left;
  std::set_difference(set.begin(), set.end(), gone.begin(), gone.end(), std::back_inserter(left));
  return left;
}

std::vector<std::string> HeadNames(const Graph& graph, const RevisionSet& set) {
  std::vector<std::string> names;
  for (const std::size_t position : graph.Heads(set)) {
    names.push_back(graph.at(position).service + "@" + graph.at(position).id);
  }
  std::sort(names.begin(), names.end());
  return names;
}

const AppliedRevision* FindApplied(const AppliedState& state, const std::string& id) {
  const auto it = state.revisions.find(id);
  return it == state.revisions.end() ? nullptr : &it->second;
}

// The order in which revisions run: release by release, and within a release first what adds, then
// what moves data, then what takes away, over all services, as far as each comes after what it
// needs. So wherever a run stops, old and new builds of every service can work.
std::vector<std::size_t> InRunOrder(const Graph& graph, const RevisionSet& set) {
  const auto rank = [&](std::size_t position) {
    return std::tuple(graph.ReleaseOf(position).value_or(std::numeric_limits<std::size_t>::max()),
                      graph.at(position).phase, position);
  };
  std::map<std::size_t, int> missing;  // how many of what it needs have no place yet
  std::map<std::size_t, std::vector<std::size_t>> needed_by;
  for (const std::size_t position : set) {
    std::set<std::size_t> needs;
    for (const auto* names : {&graph.at(position).down_revision, &graph.at(position).depends_on}) {
      for (const std::string& name : *names) needs.insert(*graph.Find(name));
    }
    missing[position] = 0;
    for (const std::size_t need : needs) {
      if (!std::ranges::binary_search(set, need)) continue;
      ++missing[position];
      needed_by[need].push_back(position);
    }
  }
  std::set<decltype(rank(0))> ready;
  for (const auto& [position, count] : missing) {
    if (count == 0) ready.insert(rank(position));
  }
  std::vector<std::size_t> order;
  while (!ready.empty()) {
    const std::size_t next = std::get<2>(*ready.begin());
    ready.erase(ready.begin());
    order.push_back(next);
    for (const std::size_t dependent : needed_by[next]) {
      if (--missing[dependent] == 0) ready.insert(rank(dependent));
    }
  }
  return order;
}

PlanItem UpItem(const Graph& graph, const AppliedState& state, std::size_t position) {
  PlanItem item{.position = position, .steps = {}, .resumes = false};
  const Revision& revision = graph.at(position);
  const AppliedRevision* applied = FindApplied(state, revision.id);
  for (std::size_t i = 0; i < revision.steps.size(); ++i) {
    const AppliedStep* done =
        applied == nullptr ? nullptr : FindDone(*applied, revision.steps[i].ordinal);
    if (done != nullptr) item.resumes = true;
    if (done == nullptr || done->is_half_undone) item.steps.push_back(i);
  }
  return item;
}

PlanItem DownItem(const Graph& graph, const AppliedState& state, std::size_t position) {
  PlanItem item{.position = position, .steps = {}, .resumes = false};
  const Revision& revision = graph.at(position);
  const AppliedRevision& applied = state.revisions.at(revision.id);
  for (std::size_t i = revision.steps.size(); i-- > 0;) {
    if (IsDone(applied, revision.steps[i].ordinal)) {
      item.steps.push_back(i);
    } else {
      item.resumes = true;
    }
    const bool was_begun = std::find(applied.begun.begin(), applied.begun.end(),
                                     revision.steps[i].ordinal) != applied.begun.end();
    if (was_begun) item.begun.push_back(i);
  }
  return item;
}

}  // namespace

absl::StatusOr<RevisionSet> AppliedPositions(const Graph& graph, const AppliedState& state) {
  RevisionSet positions;
  std::vector<std::string> unknown;
  for (const auto& [id, applied] : state.revisions) {
    const auto position = graph.Find(id);
    // The ledger holds ids only; an alias there would be another tool's doing.
    if (position.has_value() && graph.at(*position).id == id) {
      positions.push_back(*position);
    } else {
      unknown.push_back(applied.service + "@" + id);
    }
  }
  if (!unknown.empty()) {
    const std::string names = Join(AtMost(std::move(unknown), 20), ", ");
    return Error(absl::StatusCode::kFailedPrecondition, "HISTORY_UNKNOWN_REVISION",
                 "the database has revisions that the migrations folder does not have: " + names +
                     "; use the folder of the newer build")
        .With("revisions", names);
  }
  std::sort(positions.begin(), positions.end());
  return positions;
}

absl::Status CheckHistory(const Graph& graph, const AppliedState& state) {
  RETURN_IF_ERROR(AppliedPositions(graph, state).status());
  std::vector<std::string> edits;
  for (const auto& [id, applied] : state.revisions) {
    FindEdits(graph.at(*graph.Find(id)), applied, edits);
  }
  if (edits.empty()) return absl::OkStatus();
  const std::vector<std::string> shown = AtMost(std::move(edits), 20);
  return Error(absl::StatusCode::kFailedPrecondition, "HISTORY_MISMATCH",
               "files of applied revisions were edited: " + Join(shown, "; ") +
                   "; restore them, or change the schema in a new revision")
      .With("files", Join(shown, "\n"));
}

absl::StatusOr<Plan> PlanUpgrade(const Graph& graph, const AppliedState& state,
                                 std::string_view target) {
  RETURN_IF_ERROR(CheckHistory(graph, state));
  ASSIGN_OR_RETURN(const RevisionSet applied, AppliedPositions(graph, state));
  const RevisionSet complete = CompletePositions(graph, state, applied);
  Plan plan;
  plan.direction = Direction::kUp;
  ASSIGN_OR_RETURN(plan.target, ResolveTarget(graph, target, complete));
  for (const std::size_t position : InRunOrder(graph, Without(plan.target.members, complete))) {
    plan.items.push_back(UpItem(graph, state, position));
  }
  RevisionSet after;
  std::set_union(complete.begin(), complete.end(), plan.target.members.begin(),
                 plan.target.members.end(), std::back_inserter(after));
  plan.from_heads = HeadNames(graph, complete);
  plan.to_heads = HeadNames(graph, after);
  return plan;
}

absl::StatusOr<Plan> PlanDowngrade(const Graph& graph, const AppliedState& state,
                                   std::string_view target) {
  RETURN_IF_ERROR(CheckHistory(graph, state));
  ASSIGN_OR_RETURN(const RevisionSet applied, AppliedPositions(graph, state));
  Plan plan;
  plan.direction = Direction::kDown;
  ASSIGN_OR_RETURN(plan.target, ResolveTarget(graph, target, applied));
  RevisionSet surplus;
  for (const std::size_t position : Without(applied, plan.target.members)) {
    const bool in_scope =
        plan.target.service.empty() || graph.at(position).service == plan.target.service;
    if (in_scope) surplus.push_back(position);
  }
  const RevisionSet dependents = graph.Dependents(surplus);
  RevisionSet gone;
  std::set_intersection(dependents.begin(), dependents.end(), applied.begin(), applied.end(),
                        std::back_inserter(gone));
  const std::vector<std::size_t> order = InRunOrder(graph, gone);
  for (auto position = order.rbegin(); position != order.rend(); ++position) {
    plan.items.push_back(DownItem(graph, state, *position));
  }
  const RevisionSet complete = CompletePositions(graph, state, applied);
  plan.from_heads = HeadNames(graph, complete);
  plan.to_heads = HeadNames(graph, Without(complete, gone));
  return plan;
}

}  // namespace lockstep::migration
