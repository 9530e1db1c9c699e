// Runs one transactional step: SQL, checks and ledger row commit together or not at all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {

// What an undo did inside the step's transaction before its script (undo.h).
struct Prepared {
  std::vector<std::string> statements;     // what runs instead of the script's own
  std::vector<std::string> extra_schemas;  // archive schemas that the step may write to
  std::string record_sql;                  // goes into the ledger with the step
  std::vector<Happening> events;           // that happened if the step commits
  std::vector<ArchivedData> archives;
  // Asked after the statements, in the owner's role; empty = nothing.
  std::function<absl::Status(pg::Connection&)> check = {};
};

using Prepare = std::function<absl::StatusOr<Prepared>(pg::Connection&)>;

struct StepOutcome {
  std::vector<VerificationResult> expectations;
  std::vector<ArchivedData> archives;
  std::optional<Measurement> measurement = std::nullopt;  // when the run measures
};

// Retries after lock timeouts and deadlocks, the whole step rolled back in between, for
// limits.retry_for_seconds; before every attempt it waits for a gap between those who hold what the
// step locks (preflight.h). `prepare` (may be empty) runs in every attempt, in the owner's role,
// after the lease check; `prepare_locks` is what it locks. Reasons: STEP_FAILED, STEP_BLOCKED,
// STEP_TAMPERED, LOCKS_WORSE_THAN_CERTIFIED, EXPECTATION_FAILED, LEASE_LOST,
// COMMIT_OUTCOME_UNKNOWN, those of `prepare`.
absl::StatusOr<StepOutcome> RunTransactionalStep(RunSession& session, const StepTask& task,
                                                 const Prepare& prepare = {},
                                                 std::vector<RelationLock> prepare_locks = {});

}  // namespace lockstep::migration
