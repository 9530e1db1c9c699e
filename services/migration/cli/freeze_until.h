// What `freeze --until` takes: a time, or how long from now. Pure.
#pragma once

#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace lockstep::cli {

// A duration is counted from now by the database's clock, so it is not turned into a time here.
using FreezeUntil = std::variant<absl::Time, absl::Duration>;

// RFC 3339 ("2025-12-24T18:00:00+01:00"; the offset is required), or whole numbers with d, h, m or
// s, largest first and each at most once: "3d", "2h", "1h30m". INVALID_ARGUMENT (UNTIL_INVALID) on
// "--until" for anything else and for no time at all ("0m").
[[nodiscard]] absl::StatusOr<FreezeUntil> ParseFreezeUntil(std::string_view text);

}  // namespace lockstep::cli
