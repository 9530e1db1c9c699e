#include "services/migration/engine/run/scratch/drift.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/scratch/proof_ledger.h"
#include "services/migration/engine/run/scratch/scratch_database.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/sha256.h"

namespace lockstep::migration {
namespace {

absl::Status RefuseHalfApplied(const AppliedState& state) {
  std::vector<std::string> half;
  for (const auto& [id, revision] : state.revisions) {
    if (!revision.is_complete) half.push_back(id);
  }
  if (half.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "DRIFT_HALF_APPLIED",
               absl::StrCat("half applied: ", absl::StrJoin(half, ", "),
                            "; finish it with lockstep upgrade, or undo it, first"));
}

// Names the state for which an expectation holds.
std::string StateKey(const AppliedState& state, int server_version) {
  std::string text = absl::StrCat(kCatalogImageVersion, " ", server_version, "\n");
  for (const auto& [id, revision] : state.revisions) {
    absl::StrAppend(&text, id, " ", revision.checksum, "\n");
  }
  for (const auto& [key, repeatable] : state.repeatables) {
    absl::StrAppend(&text, key, " ", repeatable.checksum, "\n");
  }
  return Sha256Hex(text);
}

absl::StatusOr<CatalogImage> BuildExpectation(const Context& context, const EngineOptions& live,
                                              const Graph& graph, const AppliedState& state) {
  ASSIGN_OR_RETURN(const auto scratch, ScratchDatabase::Create(context, live));
  const absl::Time from = absl::Now();
  RETURN_IF_ERROR(scratch->BringTo(context, graph.definitions(), state));
  ASSIGN_OR_RETURN(const auto connection, scratch->Connect());
  ASSIGN_OR_RETURN(CatalogImage image, ReadCatalogImage(*connection));
  image.built_from = from;
  image.built_until = absl::Now();
  return image;
}

// "core.price(pg_catalog.int4)" -> "core.price".
std::string BareName(const std::string& name) { return name.substr(0, name.find('(')); }

// Repeatable definitions follow the heads: below them the live database keeps bodies that a scratch
// database, which never was at the heads, has not. `verify` compares those with what was applied.
void LeaveRepeatablesOut(const AppliedState& state, std::vector<CatalogDifference>& differences) {
  std::set<std::string> names;
  for (const auto& [key, repeatable] : state.repeatables) {
    for (const RepeatableObject& object : repeatable.objects) names.insert(object.name);
  }
  std::erase_if(differences, [&](const CatalogDifference& difference) {
    const std::string name = BareName(difference.name);
    const std::string whole = name.substr(0, name.rfind('.'));
    return names.contains(name) || names.contains(whole);
  });
}

}  // namespace

absl::StatusOr<DriftReport> FindDrift(const Context& context, const EngineOptions& live,
                                      const Graph& graph, const AppliedState& state) {
  RETURN_IF_ERROR(RefuseHalfApplied(state));
  ASSIGN_OR_RETURN(const auto ledger, OpenSession(live, kReaderPurpose));
  const std::string key = StateKey(state, ledger->server_version());
  ASSIGN_OR_RETURN(std::optional<CatalogImage> known, LoadExpectation(*ledger, key));
  DriftReport report;
  report.was_cached = known.has_value();
  if (!known.has_value()) {
    ASSIGN_OR_RETURN(known, BuildExpectation(context, live, graph, state));
    RETURN_IF_ERROR(KeepExpectation(*ledger, key, *known));
  }
  ASSIGN_OR_RETURN(const CatalogImage actual, ReadCatalogImage(*ledger));
  report.objects = static_cast<int>(actual.objects.size());
  report.expected_fingerprint = known->fingerprint();
  report.actual_fingerprint = actual.fingerprint();
  report.differences = CompareImages(*known, actual);
  LeaveRepeatablesOut(state, report.differences);
  for (const CatalogDifference& difference : report.differences) {
    report.repairs.push_back(RepairSql(difference, *known));
  }
  return report;
}

}  // namespace lockstep::migration
