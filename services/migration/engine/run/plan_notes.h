// What a person should know before steps run: undos that scan or rewrite a large table under a lock
// that blocks its writers (an upgrade does not begin with such a step, see plan_lint.h), queries on
// standbys that a step may break off, subscribers of logical replication and the order that they
// need, indexes of partitioned tables and what building and dropping them locks. Only reads.
#pragma once

#include <vector>

#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// One step that is going to run.
struct ComingStep {
  const Revision* revision = nullptr;
  const Step* step = nullptr;
  const Script* script = nullptr;  // what runs: up, or the archived down
};

// The steps of an upgrade, in order.
std::vector<ComingStep> ComingUp(const Graph& graph, const Plan& plan);
// What undoes the revisions of a downgrade, in order. `undos` has all of it, and must outlive the
// result.
std::vector<ComingStep> ComingDown(const Graph& graph, const Plan& plan, const UndoScripts& undos);

// `was_there`: the relations that exist. What cannot be read becomes a note of kind "unknown": no
// reason not to run.
std::vector<PlanNote> FindNotes(pg::Connection& connection, const RelationNames& was_there,
                                const std::vector<ComingStep>& steps, Direction direction);

// The notes as `warning` events of the run. Nothing before LoadWasThere().
void EmitNotes(RunSession& session, const std::vector<ComingStep>& steps, Direction direction);

}  // namespace lockstep::migration
