// Repeatable definitions in runs: applied at the end of an upgrade, out of the way during a
// downgrade. Each definition is one transactional step with everything that belongs to one; the
// ledger's rows commit with it, so a run that dies anywhere is repeated.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/repeatable_change.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/verifier.h"

namespace lockstep::migration {

// The revision and step that a definition is for the machinery of steps. Not to be moved.
struct RepeatableTask {
  RepeatableTask(std::string service, std::string id, std::string_view step_name,
                 Direction direction, Script up);
  RepeatableTask(const RepeatableTask&) = delete;
  RepeatableTask& operator=(const RepeatableTask&) = delete;

  Revision revision;
  Step step;
  StepTask task;
};

// Applies one definition as a step, unless a step before did so together with what it needs
// (`applied` has its key); adds the keys of all that it applied.
absl::Status ApplyRepeatable(RunSession& session, const Repeatable& repeatable,
                             const RepeatableScope& scope, std::vector<std::string>& applied,
                             Touched& touched, RunReport& report);

// The end of an upgrade, before its verifications. With nothing planned because not every service
// is at its head it tells that they wait, and puts back what an interrupted downgrade set aside.
absl::Status RunRepeatables(RunSession& session, const AppliedState& before, const Plan& plan,
                            const std::vector<PlannedRepeatable>& planned, Touched& touched,
                            RunReport& report);

// What the undos of `plan` might meet: the definitions of its services, those that refer to their
// schemas, and those that need any of them. What something else needs stays where it is (`stays`).
struct SetAside {
  std::vector<PlannedRepeatable> repeatables;
  std::vector<KnownObject> goes;      // in the order of drops
  std::vector<std::string> stays;     // "core.stock: needed by view core.v", for people
  std::vector<std::string> services;  // whose revisions are undone
  bool has_vanished = false;          // these once had definitions whose files are gone
};
// The views among what goes, as "schema.name".
RelationNames NamesOf(const SetAside& aside);
// Only reads; as the migrator.
absl::StatusOr<SetAside> FindInTheWay(pg::Connection& connection, const Graph& graph,
                                      const Plan& plan);

// Before the first undo: one step that drops all of it.
absl::Status SetRepeatablesAside(RunSession& session, const Plan& plan, Touched& touched,
                                 RunReport& report);
// After the last one: of each that is set aside the newest body is applied that was applied when
// nothing else was applied than now; one without such a body is forgotten.
absl::Status PutRepeatablesBack(RunSession& session, Touched& touched, RunReport& report);

// What stands against drops that a plan contains.
absl::StatusOr<std::vector<Blocker>> FindRepeatableBlockers(
    pg::Connection& connection, const Definitions& definitions, const AppliedState& state,
    const std::vector<PlannedRepeatable>& planned);

}  // namespace lockstep::migration
