// The transaction that applies or drops repeatable definitions.
//
// A definition is tried in a savepoint first. What CREATE OR REPLACE cannot do to it (other columns
// of a view, another result of a function) is done by dropping the object together with the
// repeatable ones that need it, and applying all their definitions again, each in the role of its
// own service. What is in no repeatable definition is never dropped: then the step is refused with
// its name.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/run/repeatable_dependents.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {

// What a change may rest on.
struct RepeatableScope {
  const std::vector<Repeatable>& definitions;  // in their order: what is made again
  std::vector<KnownObject> known;              // their objects, and those that are to be dropped
  std::vector<std::string> heads;              // recorded with what is applied
};

// The objects of `definitions`, then those of `state` that none of them has.
std::vector<KnownObject> KnownObjectsOf(const std::vector<Repeatable>& definitions,
                                        const AppliedState& state);

// For the step that applies `repeatable`; `applied` gets the keys of all that it applies. Reasons:
// STEP_FAILED, REPEATABLE_IN_USE (something that is not repeatable needs what would have to be
// dropped).
absl::StatusOr<Prepared> PrepareApply(RunSession& session, const StepTask& task,
                                      const Repeatable& repeatable, const RepeatableScope& scope,
                                      pg::Connection& connection,
                                      std::vector<std::string>& applied);

// For the step that drops what the files have no more. REPEATABLE_IN_USE.
absl::StatusOr<Prepared> PrepareDrop(RunSession& session, const StepTask& task,
                                     const PlannedRepeatable& planned, const RepeatableScope& scope,
                                     pg::Connection& connection);

// FAILED_PRECONDITION (REPEATABLE_IN_USE) that names `others`. `what`: who cannot go.
absl::Status InUse(std::string_view what, const std::vector<std::string>& others);

// The drops, each in the role of its owner, for a step of `service` that goes on in its own role;
// `schemas` gets those of the others.
std::vector<std::string> DropStatements(const std::vector<KnownObject>& goes,
                                        std::string_view service,
                                        std::vector<std::string>& schemas);

}  // namespace lockstep::migration
