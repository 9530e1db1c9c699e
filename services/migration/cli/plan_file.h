// Reviewed plans as files: `lockstep plan TARGET -o FILE` writes one, `upgrade --plan FILE` and
// `downgrade --plan FILE` read it.
//
// A file is one JSON document:
//   {"format": "lockstep-plan", "version": 1, "fingerprint": ..., "made_at": ..., "made_by": ...,
//    "plan": {"target", "direction", "from_heads", "to_heads", "steps": [...]}}
// The fingerprint is the SHA-256 of "plan" with keys sorted and without spaces, so that
// `jq -cSj .plan FILE | sha256sum` tells it as well. Pure but for the two functions that name a
// path.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/migration/engine/run/reviewed_plan.h"

namespace lockstep::cli {

struct PlanFile {
  migration::ReviewedPlan plan;
  absl::Time made_at;   // whole seconds
  std::string made_by;  // user@host
};

// The document, ending in a line feed. The same values make the same text.
std::string RenderPlanFile(const PlanFile& file);

// INVALID_ARGUMENT (PLAN_FILE_INVALID) on "--plan": not a plan, of a newer format, damaged, or
// edited since it was written.
[[nodiscard]] absl::StatusOr<PlanFile> ParsePlanFile(std::string_view text);

// INVALID_ARGUMENT (FILE_NOT_WRITABLE, FILE_NOT_READABLE).
[[nodiscard]] absl::Status WritePlanFile(const std::string& path, const PlanFile& file);
[[nodiscard]] absl::StatusOr<PlanFile> ReadPlanFile(const std::string& path);

}  // namespace lockstep::cli
