// Runs verify.sql: queries that return violations; no rows means that it holds.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine.h"
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

// Runs the verifications of `revisions` in their owners' roles, read-only, many in one message. A
// query that names a table or column which an applied revision has dropped since is skipped; any
// other error is a failed check. Does not write: the caller records.
absl::StatusOr<std::vector<VerificationResult>> RunVerifications(
    const Context& context, pg::Connection& connection, const Graph& graph,
    const AppliedState& state, const RevisionSet& revisions, absl::Duration timeout,
    Journal& journal);

// The event that tells about a failed check.
Happening FailedCheck(const VerificationResult& check);

// VERIFICATION_FAILED, or OK when all passed.
absl::Status VerificationStatus(const std::vector<VerificationResult>& checks);

}  // namespace lockstep::migration
