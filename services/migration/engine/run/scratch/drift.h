// Whether the live database is what its revisions made of it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/catalog/catalog_image.h"
#include "services/migration/engine/run/engine_values.h"

namespace lockstep::migration {

struct DriftReport {
  std::vector<CatalogDifference> differences;
  std::vector<std::string>
      repairs;  // for each difference the SQL that undoes it; "" = none is safe
  std::string expected_fingerprint;
  std::string actual_fingerprint;
  bool was_cached = false;  // the expectation was known; else a scratch database was made for it
  int objects = 0;          // that were compared
};

// Compares the live catalog with what the applied revisions and repeatable definitions give on a
// scratch database of the same server. The expectation is kept in the ledger until something else
// is applied, or the server is upgraded. FAILED_PRECONDITION (DRIFT_HALF_APPLIED) while a revision
// is half applied: nobody knows what it should look like then; SCRATCH_NOT_PERMITTED.
absl::StatusOr<DriftReport> FindDrift(const Context& context, const EngineOptions& live,
                                      const Graph& graph, const AppliedState& state);

// SQL that makes `difference` go away, for a person to look at; "" when none is known to be safe.
// Nothing that destroys data is ever proposed. Pure.
std::string RepairSql(const CatalogDifference& difference, const CatalogImage& expected);

}  // namespace lockstep::migration
