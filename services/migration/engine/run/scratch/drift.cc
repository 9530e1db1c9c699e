#include "services/migration/engine/run/scratch/drift.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/ledger.h"
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

// Repeatable definitions follow the heads, and `verify` compares them with what was applied.
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

// An extension that no revision made is its administrator's.
void LeaveOthersOut(std::vector<CatalogDifference>& differences) {
  std::erase_if(differences, [](const CatalogDifference& difference) {
    return difference.kind == "extension" && difference.what != CatalogDifference::What::kMissing;
  });
}

// Whether the index goes with a constraint of its name, which is in the list as well.
bool IsIndexOfConstraint(const CatalogDifference& index,
                         const std::vector<CatalogDifference>& differences) {
  if (index.kind != "index") return false;
  const std::string name = index.name.substr(index.name.rfind('.'));
  const std::string schema = index.name.substr(0, index.name.find('.') + 1);
  return std::any_of(differences.begin(), differences.end(), [&](const auto& other) {
    return other.kind == "constraint" && other.what == index.what &&
           other.name.starts_with(schema) && other.name.ends_with(name);
  });
}

}  // namespace

absl::StatusOr<DriftReport> FindDrift(const Context& context, const EngineOptions& live,
                                      const Graph& graph, const AppliedState& state) {
  // What was applied by other files would be told as drift, with repairs that take it away.
  RETURN_IF_ERROR(CheckHistory(graph, state));
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
  ledger->SetIoDeadline(context.deadline());
  ASSIGN_OR_RETURN(const CatalogImage actual, ReadCatalogImage(*ledger));
  ASSIGN_OR_RETURN(const AppliedState now, LoadState(*ledger, graph));
  if (StateKey(now, ledger->server_version()) != key) {
    return Error(absl::StatusCode::kAborted, "DRIFT_RUN_BETWEEN",
                 "something was applied or undone meanwhile; look again when the run is over");
  }
  report.objects = static_cast<int>(actual.objects.size());
  report.expected_fingerprint = known->fingerprint();
  report.actual_fingerprint = actual.fingerprint();
  report.differences = CompareImages(*known, actual);
  LeaveRepeatablesOut(state, report.differences);
  LeaveOthersOut(report.differences);
  for (const CatalogDifference& difference : report.differences) {
    report.repairs.push_back(
        IsIndexOfConstraint(difference, report.differences) ? "" : RepairSql(difference, *known));
  }
  return report;
}

}  // namespace lockstep::migration
