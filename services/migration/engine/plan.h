// What a run has to do: the difference between what is applied and a target.
//
// Pure functions of values; the ledger is read by the caller into `AppliedState`.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/target.h"

namespace lockstep::migration {

// One step that the ledger says is done.
struct AppliedStep {
  int ordinal = 1;
  std::string name;
  std::string checksum;  // Step::checksum at the time
  // Its undo was begun outside of a transaction and is not recorded as finished: only the catalog
  // knows what is left of it.
  bool is_half_undone = false;
};

// One revision of which the ledger has at least one step, done or begun.
struct AppliedRevision {
  std::string service;
  bool is_complete = false;  // every step done and the revision recorded as applied
  std::string checksum;      // Revision::checksum when it became complete; "" = do not compare
  std::vector<AppliedStep> steps;  // ascending by ordinal
  // Ordinals of steps that were begun outside of a transaction and are not recorded as done: they
  // may have left something behind. Ascending.
  std::vector<int> begun = {};
};

// A repeatable definition as it was applied last.
struct AppliedRepeatable {
  std::string service;
  std::string name;
  std::string checksum;  // Script::checksum at the time
  std::vector<RepeatableObject> objects;
  bool is_set_aside = false;  // a downgrade dropped it and did not put anything back yet
  bool is_missing = false;    // some of its objects are not there any more

  std::string key() const { return service + "/" + name; }
};

// The ledger as the planner needs it, by revision id.
struct AppliedState {
  std::map<std::string, AppliedRevision, std::less<>> revisions;
  std::map<std::string, AppliedRepeatable, std::less<>> repeatables = {};  // by Repeatable::key()
};

// One revision of a plan.
struct PlanItem {
  std::size_t position = 0;  // in Definitions::revisions
  std::vector<std::size_t>
      steps;  // indexes into Revision::steps, in the order in which they run (reversed for kDown)
  bool resumes = false;  // some of its steps were already done (kUp) or never done (kDown)
  // kDown: indexes of steps that were begun and never done. What they left goes before the rest.
  std::vector<std::size_t> begun = {};
};

struct Plan {
  Direction direction = Direction::kUp;
  Target target;
  std::vector<PlanItem> items;          // in the order in which they run
  std::vector<std::string> from_heads;  // heads of what is applied completely, "service@id", sorted
  std::vector<std::string> to_heads;    // heads once the plan has run
  bool empty() const { return items.empty(); }
};

// Positions of the applied revisions, half-applied ones included. FAILED_PRECONDITION
// (HISTORY_UNKNOWN_REVISION) names all ids that the ledger has and the definitions have not
// (metadata "revisions").
[[nodiscard]] absl::StatusOr<RevisionSet> AppliedPositions(const Graph& graph,
                                                           const AppliedState& state);

// Compares what was applied with the files as they are now: FAILED_PRECONDITION (HISTORY_MISMATCH)
// lists every applied step whose files were edited, and every complete revision whose spec, verify
// or guard was, by file name (metadata "files"); HISTORY_UNKNOWN_REVISION as above. A step of a
// half-applied revision that is not done yet may be mended.
[[nodiscard]] absl::Status CheckHistory(const Graph& graph, const AppliedState& state);

// What to do to have everything of `target` applied. Includes CheckHistory. Empty when nothing is
// missing. A step whose undo was begun outside of a transaction runs again.
[[nodiscard]] absl::StatusOr<Plan> PlanUpgrade(const Graph& graph, const AppliedState& state,
                                               std::string_view target);

// What to undo so that of the target's services nothing but the target is left, including whatever
// depends on what goes. Half-applied revisions that go lose the steps that are done, and what those
// left that were only begun. Includes CheckHistory.
[[nodiscard]] absl::StatusOr<Plan> PlanDowngrade(const Graph& graph, const AppliedState& state,
                                                 std::string_view target);

}  // namespace lockstep::migration
