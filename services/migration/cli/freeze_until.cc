#include "services/migration/cli/freeze_until.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "common/status/error.h"
#include "common/time/time.h"

namespace lockstep::cli {
namespace {

struct Unit {
  char letter;
  absl::Duration length;
};
const std::array kUnits = {Unit{'d', absl::Hours(24)}, Unit{'h', absl::Hours(1)},
                           Unit{'m', absl::Minutes(1)}, Unit{'s', absl::Seconds(1)}};

// More digits are a mistake, and would overflow in the end.
constexpr std::size_t kMostDigits = 8;

std::optional<absl::Duration> DurationIn(std::string_view text) {
  absl::Duration total;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    std::size_t digits = 0;
    int number = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
      if (++digits > kMostDigits) return std::nullopt;
      number = number * 10 + (text[digits - 1] - '0');
    }
    if (digits == 0 || digits == text.size()) return std::nullopt;
    while (next_unit < kUnits.size() && kUnits[next_unit].letter != text[digits]) ++next_unit;
    if (next_unit == kUnits.size()) return std::nullopt;
    total += number * kUnits[next_unit++].length;
    text.remove_prefix(digits + 1);
  }
  if (total <= absl::ZeroDuration()) return std::nullopt;
  return total;
}

}  // namespace

absl::StatusOr<FreezeUntil> ParseFreezeUntil(std::string_view text) {
  if (const auto duration = DurationIn(text); duration.has_value()) return FreezeUntil(*duration);
  if (const auto time = time::ParseRfc3339(text); time.ok()) return FreezeUntil(*time);
  return InvalidField("--until", "UNTIL_INVALID",
                      "a time like 2025-12-24T18:00:00+01:00, or how long from now: 3d, 2h, 1h30m");
}

}  // namespace lockstep::cli
