// Runs verify.sql: queries that return violations; no rows means that it holds.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/journal.h"

namespace lockstep::migration {

// Tables that a run changed, as far as the parser sees.
struct Touched {
  std::set<std::string> tables;     // "products.inventory"
  std::set<std::string> services;   // whose tables may all have changed (hidden code)
  std::set<std::string> revisions;  // that were applied by the run: always checked

  void Add(const Revision& revision, const Script& script);
};

// Revisions whose verification has to hold: applied completely and superseded by no applied one.
RevisionSet Verifiable(const Graph& graph, const AppliedState& state);
// Those of them that read what was touched.
RevisionSet Affected(const Graph& graph, const AppliedState& state, const Touched& touched);

// Adds the views and materialized views that read what was touched, directly or through others, as
// the catalogue knows them.
absl::Status AddDependentViews(pg::Connection& connection, Touched& touched);
// The query that asks for them: one column `name`.
std::string DependentViewsSql(const Touched& touched);

// What later revisions that are applied completely took away of what the verification of `position`
// reads: tables with their schema, columns without their table.
std::vector<std::string> NamesDroppedSince(const Graph& graph, const AppliedState& state,
                                           std::size_t position);
// Whether what `message` (the server's words of an undefined table or column) names is such a one.
bool NamesWhatWasDropped(const Graph& graph, const AppliedState& state, std::size_t position,
                         std::string_view message);

// "verify.sql:12": how results name the n-th query (from 0) of a script.
std::string CheckId(const Script& script, std::size_t n);

struct VerifyLimits {
  absl::Duration timeout;    // of each query
  absl::Duration lock_wait;  // for locks, of all queries together
};
VerifyLimits LimitsOf(const EngineOptions& options);

struct Verifications {
  std::vector<VerificationResult> results;
  // Checks that neither hold nor fail, with the reason: they did not get their locks, or took too
  // long.
  std::vector<std::string> undecided;
};

// Runs the verifications of `revisions` in their owners' roles, read-only, many in one message. A
// query that names a table or column which an applied revision has dropped since is skipped; one
// that meets a lock is tried again, and is undecided when limits.lock_wait is over; any other error
// is a failed check. Does not write: the caller records.
absl::StatusOr<Verifications> RunVerifications(const Context& context, pg::Connection& connection,
                                               const Graph& graph, const AppliedState& state,
                                               const RevisionSet& revisions, VerifyLimits limits,
                                               Journal& journal);

// The event that tells about a failed check.
Happening FailedCheck(const VerificationResult& check);

// VERIFICATION_FAILED when a check fails; VERIFICATION_BLOCKED when none does but one is undecided;
// OK when all passed.
absl::Status VerificationStatus(const Verifications& found);

}  // namespace lockstep::migration
