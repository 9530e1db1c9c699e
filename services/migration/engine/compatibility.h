// Which builds stand against a change of the schemas, from what builds and revisions declare.
//
// A build declares per owner of schemas the oldest revision that it works with and the newest that
// it was built against, and the relations and columns that its SQL names. Three rules follow:
//   EXPAND, MIGRATE  leave every footprint intact: what a build names neither goes nor changes its
//                    shape, unless the build was built for the revision.
//   CONTRACT         every build that uses the owner's schemas was built for the shape that stays,
//                    or names nothing of what goes; none of the owner's own is older than the
//                    revision's oldest_build.
//   undo             nobody requires what goes, and no footprint contains it.
// Builds are those of live instances, and those that are kept as a way back. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/migration/engine/build_manifest.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"

namespace lockstep::migration {

// A build that counts: of a live instance, or kept as a rollback candidate.
struct BuildInUse {
  BuildManifest manifest;
  std::string instance = {};                  // its id; "" = a rollback candidate
  std::string address = {};                   // of the instance
  std::optional<absl::Time> lease_ends = {};  // of the instance, database time
  // It missed its heartbeats, though its lease still lives: a contract waits for it, an expand does
  // not.
  bool is_silent = false;
  std::string key = {};  // changes whenever the instance registers again (begin_contract)

  // "orders 2.3.0 (instance orders-1 at 10.0.0.7:7102)", "orders 2.2.0 (kept as a rollback
  // candidate)"
  std::string text() const;
};

// What stands against one step.
struct Violation {
  std::string instance;  // "" = a rollback candidate
  std::string service;   // of the build
  std::string build;
  std::string owner;     // whose schemas change
  std::string revision;  // that changes them
  std::string object;    // "schema.relation[.column]"; "" = the revision as a whole
  std::string why;
  std::string remedy;
  std::optional<absl::Time> until;  // when the instance's lease ends unless it is renewed
  bool is_gate = false;             // of a CONTRACT: a run waits for it instead of being refused
  bool is_too_old = false;          // its build is older than the revision's oldest_build
  bool is_required = false;         // of an undo: the build requires the revision that goes

  // One line that names all of the above.
  std::string text() const;

  friend bool operator==(const Violation&, const Violation&) = default;
};

// What a script or revision takes away or reshapes.
struct Takings {
  std::vector<std::string> objects;  // ScriptFacts::taken
  // Whether that is all: false for scripts that hide what they do.
  bool is_all = true;
};
Takings TakingsOf(const Script& script);
// Of all its steps up.
Takings TakingsOf(const Revision& revision);

// -1, 0 or 1; nullopt when one is not "MAJOR.MINOR.PATCH".
std::optional<int> CompareBuilds(std::string_view one, std::string_view other);

// Whether the footprint holds the object or, of a relation, a column of it.
bool Names(const BuildManifest& manifest, std::string_view object);

// Whether the build uses schemas of `owner`: its own, declared ones, or by its footprint.
bool UsesSchemasOf(const BuildManifest& manifest, std::string_view owner);

// The archived undo of each step, by revision id and ordinal.
using UndoTexts = std::map<std::pair<std::string, int>, Script>;

class Compatibility {
 public:
  // `graph` and `builds` must outlive it.
  Compatibility(const Graph& graph, const std::vector<BuildInUse>& builds);

  // What keeps the gate of a CONTRACT closed; empty = open.
  std::vector<Violation> OfContract(std::size_t position) const;

  // Whether an applied CONTRACT (or one that was begun) left the build not working: only what is
  // certain. nullopt = it may serve.
  std::optional<Violation> OfApplied(std::size_t build, const RevisionSet& applied) const;

  // Every intermediate state of the plan, in order: after each step of each revision. Of a plan
  // down, `undos` are the scripts that would run.
  std::vector<Violation> OfPlan(const Plan& plan, const UndoTexts& undos) const;

 private:
  bool WasBuiltFor(std::size_t build, std::size_t position) const;
  // It was built for a shape without the revision, as far as it says.
  bool WasBuiltBefore(std::size_t build, std::size_t position) const;
  void AddExpand(std::size_t position, const Step& step, std::vector<Violation>& found) const;
  void AddUndo(const PlanItem& item, const UndoTexts& undos, std::vector<Violation>& found) const;
  std::optional<Violation> AgainstContract(std::size_t build, std::size_t position,
                                           const Takings& takings) const;
  Violation Against(std::size_t build, std::size_t position) const;

  const Graph& graph_;
  const std::vector<BuildInUse>& builds_;
  std::vector<RevisionSet> reach_;  // of each build: what it was built for or requires, and before
};

}  // namespace lockstep::migration
