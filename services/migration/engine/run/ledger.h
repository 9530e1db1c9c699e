// Reads the ledger into values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {

struct LedgerState {
  AppliedState applied;
  // A runner has the lease, or had it and did not give it back.
  bool is_lease_out = false;
  // Some run ended, or went away, before it verified what it had done.
  bool has_unverified_runs = false;
};

// What is applied, in one message together with the check of the ledger's version. A checksum that
// an amendment replaced counts as equal, whichever of the amended steps the files have as they were
// and whichever as they became: `graph` tells what the files say now.
absl::StatusOr<LedgerState> LoadLedger(pg::Connection& connection, const Graph& graph);
// The same in two halves: the first does not need the definitions. `connection` is asked why when
// nothing could be read.
LedgerRows ReadLedger(pg::Connection& connection);
absl::StatusOr<LedgerState> LedgerStateFrom(const LedgerRows& rows, pg::Connection& connection,
                                            const Graph& graph);
absl::StatusOr<AppliedState> LoadState(pg::Connection& connection, const Graph& graph);

// Heads of what is applied completely, "service@revision", sorted.
std::vector<std::string> HeadsOf(const Graph& graph, const AppliedState& state);

absl::StatusOr<CurrentState> LoadCurrent(pg::Connection& connection, const Graph& graph,
                                         const AppliedState& state);
absl::StatusOr<LeaseInfo> LoadLease(pg::Connection& connection);
absl::StatusOr<std::vector<RunInfo>> LoadRuns(pg::Connection& connection, int limit,
                                              std::string_view before_run);
absl::StatusOr<RunInfo> LoadRun(pg::Connection& connection, std::string_view run_id);
absl::StatusOr<std::vector<RunEvent>> LoadEvents(pg::Connection& connection,
                                                 std::string_view run_id, std::int64_t after,
                                                 int limit);
// The message of the run's newest step_blocked event, unless something else happened since; ""
// then.
absl::StatusOr<std::string> LoadWaitsFor(pg::Connection& connection, std::string_view run_id);
absl::StatusOr<std::vector<HistoryEntry>> LoadHistory(pg::Connection& connection, int limit);
absl::StatusOr<std::vector<VerificationResult>> LoadVerificationResults(pg::Connection& connection,
                                                                        std::string_view revision,
                                                                        int limit);

// Newest first.
absl::StatusOr<std::vector<BackfillInfo>> LoadBackfills(pg::Connection& connection, int limit);

// An archived script after checking its hash. `file` is "" when the ledger has none.
// ARCHIVED_SCRIPT_DAMAGED.
absl::StatusOr<Script> LoadArchivedScript(pg::Connection& connection, std::string_view revision,
                                          int ordinal, std::string_view role);

}  // namespace lockstep::migration
