#include "services/migration/engine/spec_rules.h"

#include <algorithm>
#include <cstddef>

#include "absl/time/civil_time.h"

namespace lockstep::migration {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

template <typename Predicate>
bool All(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool IsTargetWord(std::string_view text) { return text == "head" || text == "base"; }

}  // namespace

bool IsRevisionId(std::string_view text) {
  return text.size() >= 4 && text.size() <= 64 && !IsTargetWord(text) &&
         All(text, [](char c) { return IsDigit(c) || IsLower(c) || c == '_'; });
}

bool IsSnakeCase(std::string_view text) {
  return !text.empty() && text.size() <= 63 && IsLower(text[0]) &&
         All(text, [](char c) { return IsDigit(c) || IsLower(c) || c == '_'; });
}

bool IsDay(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  int parts[3] = {0, 0, 0};
  std::size_t part = 0;
  for (const char c : text) {
    if (c == '-') {
      ++part;
    } else if (IsDigit(c) && part < 3) {
      parts[part] = parts[part] * 10 + (c - '0');
    } else {
      return false;
    }
  }
  // A civil day normalises the 30th of February; then it is no longer the day that was written.
  const absl::CivilDay day(parts[0], parts[1], parts[2]);
  return day.year() == parts[0] && day.month() == parts[1] && day.day() == parts[2];
}

bool IsBuild(std::string_view text) {
  int dots = 0;
  bool digit_before = false;
  for (const char c : text) {
    if (c == '.') {
      if (!digit_before) return false;
      ++dots;
      digit_before = false;
    } else if (IsDigit(c)) {
      digit_before = true;
    } else {
      return false;
    }
  }
  return dots == 2 && digit_before;
}

bool IsReleaseName(std::string_view text) {
  if (text.empty() || text.size() > 64 || IsTargetWord(text)) return false;
  const auto is_first = [](char c) { return IsDigit(c) || IsLower(c) || IsUpper(c); };
  return is_first(text[0]) &&
         All(text, [&](char c) { return is_first(c) || c == '.' || c == '_' || c == '-'; });
}

bool IsIdentifier(std::string_view text) {
  return !text.empty() && text.size() <= 63 && (IsLower(text[0]) || text[0] == '_') &&
         All(text, [](char c) { return IsDigit(c) || IsLower(c) || c == '_'; });
}

bool IsQualifiedName(std::string_view text) {
  const std::size_t dot = text.find('.');
  return dot != std::string_view::npos && IsIdentifier(text.substr(0, dot)) &&
         IsIdentifier(text.substr(dot + 1));
}

bool IsPlainFileName(std::string_view text) {
  return !text.empty() && text[0] != '.' && text.find('/') == std::string_view::npos;
}

}  // namespace lockstep::migration
