// Values of settings as text and back. Private to common/config.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace lockstep::config::internal {

// Errors are INVALID_ARGUMENT (INTEGER_MALFORMED, BOOL_MALFORMED); `target` is then left alone.
[[nodiscard]] absl::Status ParseInteger(std::string_view text, int& target);
[[nodiscard]] absl::Status ParseInteger(std::string_view text, std::int64_t& target);
[[nodiscard]] absl::Status ParseBool(std::string_view text, bool& target);

// Separated by commas; an empty text is an empty list.
[[nodiscard]] std::vector<std::string> SplitList(std::string_view text);
[[nodiscard]] std::string JoinList(const std::vector<std::string>& parts);

}  // namespace lockstep::config::internal
