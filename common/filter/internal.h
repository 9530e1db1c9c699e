// Shared by the files of common/filter only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/filter/filter.h"
#include "common/status/error.h"

namespace lockstep::filter::internal {

// INVALID_ARGUMENT about the filter at `column`.
ErrorBuilder FilterError(std::string_view reason, std::size_t column, std::string_view description);

// "=", "!=", ...
std::string_view Symbol(Comparator comparator);

// What a time literal says: an instant, or a whole day.
struct TimeLiteral {
  std::optional<absl::Time> instant;
  absl::CivilDay day;
};

// Readers of literals: nullopt when the text is not one of the type.
std::optional<TimeLiteral> ReadTime(std::string_view text);
std::optional<absl::CivilDay> ReadDate(std::string_view text);  // years 0001 to 9999
bool IsDecimal(std::string_view text);  // at most 131 digits, so that numeric can always hold it
bool IsInteger(std::string_view text);  // fits bigint

}  // namespace lockstep::filter::internal
