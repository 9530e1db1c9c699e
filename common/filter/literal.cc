#include <charconv>
#include <cstdint>

#include "common/filter/internal.h"
#include "common/time/time.h"

namespace lockstep::filter::internal {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Whether `text` begins with `shape`, where 'd' stands for a digit and everything else for itself.
bool HasShape(std::string_view text, std::string_view shape) {
  if (text.size() < shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 'd' ? !IsDigit(text[i]) : text[i] != shape[i]) return false;
  }
  return true;
}

int Number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

// What follows the seconds of an RFC 3339 time: an optional fraction, then Z or an offset.
bool IsFractionAndOffset(std::string_view text) {
  if (!text.empty() && text.front() == '.') {
    std::size_t end = 1;
    while (end < text.size() && IsDigit(text[end])) ++end;
    if (end == 1) return false;
    text.remove_prefix(end);
  }
  if (text == "Z" || text == "z") return true;
  if (text.size() != 6 || !(HasShape(text, "+dd:dd") || HasShape(text, "-dd:dd"))) return false;
  return Number(text.substr(1, 2)) <= 23 && Number(text.substr(4, 2)) <= 59;
}

}  // namespace

std::optional<absl::CivilDay> ReadDate(std::string_view text) {
  if (text.size() != 10 || !HasShape(text, "dddd-dd-dd")) return std::nullopt;
  const int year = Number(text.substr(0, 4));
  const int month = Number(text.substr(5, 2));
  const int day = Number(text.substr(8, 2));
  const absl::CivilDay date(year, month, day);
  // CivilDay carries over what does not exist (31 February), which shows in other numbers.
  if (year < 1 || date.year() != year || date.month() != month || date.day() != day) {
    return std::nullopt;
  }
  return date;
}

std::optional<TimeLiteral> ReadTime(std::string_view text) {
  if (const auto day = ReadDate(text); day.has_value()) return TimeLiteral{std::nullopt, *day};
  // The shape is checked here because absl accepts more: white space, years of any length,
  // "infinite-future".
  if (!HasShape(text, "dddd-dd-ddTdd:dd:dd") && !HasShape(text, "dddd-dd-ddtdd:dd:dd")) {
    return std::nullopt;
  }
  if (!ReadDate(text.substr(0, 10)).has_value() || !IsFractionAndOffset(text.substr(19))) {
    return std::nullopt;
  }
  std::string upper(text);
  upper[10] = 'T';
  if (upper.back() == 'z') upper.back() = 'Z';
  absl::Time instant;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, upper, &instant, &error)) return std::nullopt;
  // The offset can lead out of the years that the digits are in.
  if (!time::CheckRange(instant).ok()) return std::nullopt;
  return TimeLiteral{instant, absl::CivilDay()};
}

bool IsDecimal(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  if (text.empty() || text.size() > 131 || !IsDigit(text.front()) || !IsDigit(text.back())) {
    return false;
  }
  int points = 0;
  for (const char c : text) {
    if (c == '.') {
      ++points;
    } else if (!IsDigit(c)) {
      return false;
    }
  }
  return points <= 1;
}

bool IsInteger(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

}  // namespace lockstep::filter::internal
