// Whether the way back of each revision is what it says: up, down and up again on a scratch
// database, compared by everything in the catalog and by the rows.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/catalog/catalog_image.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/measure/certificate.h"
#include "services/migration/engine/run/scratch/sample_rows.h"

namespace lockstep::migration {

enum class RehearsalVerdict {
  kMeasured,            // nobody asked for the way back
  kReversible,          // down gives back what was there, and up the same again
  kReversibleWithLoss,  // the same but for what the up itself takes away, which it declares
  kIrreversible,        // as it declares
  kDishonest,           // down does not give back what it should
  kFailed,              // up or down cannot run
};
std::string_view ToText(RehearsalVerdict verdict);

struct RehearsedRevision {
  std::string revision;
  std::string service;
  std::string title;
  std::string checksum;
  RehearsalVerdict verdict = RehearsalVerdict::kReversible;
  std::string failure;  // what could not run and why: kFailed, or kDishonest the second time up
  // After up and down against before: what the undo does not bring back.
  std::vector<CatalogDifference> differences;
  // After the second up against the first.
  std::vector<CatalogDifference> again;
  // What up takes away and nothing brings back: "column core.orders.note, 312 values". Declared.
  std::vector<std::string> losses;
  absl::Duration up = absl::ZeroDuration();
  absl::Duration down = absl::ZeroDuration();
  // Of the steps that could be measured, in order: privileged ones and backfills have none.
  std::vector<StepCertificate> certificates;
};

struct RehearsalReport {
  std::vector<RehearsedRevision> revisions;  // in the order in which they would run
  Sample sample;
  std::string sample_problem;  // why there are no rows; "" = there are
  int server_version = 0;      // major
};

// Told before each revision.
using RehearsalProgress = std::function<void(std::string_view message)>;

enum class Trip {
  kUp,         // only to measure; without a verdict
  kUpAndBack,  // up, down and up again
};

// Rehearses the revisions of `plan`, an upgrade from `state`, in order. `live` is only read. Errors
// of ScratchDatabase (scratch_database.h).
absl::StatusOr<RehearsalReport> RehearsePlan(const Context& context, const EngineOptions& live,
                                             const Graph& graph, const AppliedState& state,
                                             const Plan& plan, Trip trip,
                                             const RehearsalProgress& progress);

}  // namespace lockstep::migration
