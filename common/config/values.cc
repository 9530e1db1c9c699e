#include "common/config/values.h"

#include <charconv>
#include <cstddef>
#include <system_error>

#include "common/config/settings.h"
#include "common/status/error.h"

namespace lockstep::config {
namespace {

absl::Status Malformed(std::string_view reason, std::string_view message) {
  return Error(absl::StatusCode::kInvalidArgument, reason, message);
}

template <typename Int>
absl::Status ParseAnyInteger(std::string_view text, Int& target) {
  Int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    return Malformed("INTEGER_MALFORMED", "must be a whole number");
  }
  target = value;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  absl::Duration duration;
  if (text.empty() || !absl::ParseDuration(std::string(text), &duration) ||
      duration < absl::ZeroDuration() || duration == absl::InfiniteDuration()) {
    return Malformed("DURATION_MALFORMED", "must be a duration such as 250ms, 5s or 1h30m");
  }
  return duration;
}

namespace internal {

absl::Status ParseInteger(std::string_view text, int& target) {
  return ParseAnyInteger(text, target);
}

absl::Status ParseInteger(std::string_view text, std::int64_t& target) {
  return ParseAnyInteger(text, target);
}

absl::Status ParseBool(std::string_view text, bool& target) {
  if (text != "true" && text != "false")
    return Malformed("BOOL_MALFORMED", "must be true or false");
  target = text == "true";
  return absl::OkStatus();
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return parts;
}

std::string JoinList(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text.push_back(',');
    text.append(part);
  }
  return text;
}

}  // namespace internal

}  // namespace lockstep::config
