// Lines, and cutting parts out of a text without moving its lines. Internal to the importer. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::migration {

struct SourceLine {
  int number = 1;  // 1-based
  std::size_t begin = 0;
  std::size_t end = 0;    // without the line break
  std::string_view text;  // without '\r'
};

std::vector<SourceLine> LinesOf(std::string_view text);

// Replaces everything from `begin` to `end` but line breaks by spaces.
void BlankOut(std::string& text, std::size_t begin, std::size_t end);

// [begin, end) of `text` on the lines on which it stands there.
std::string KeepOnly(std::string_view text, std::size_t begin, std::size_t end);

std::string_view Trimmed(std::string_view text);
std::string LowerCase(std::string_view text);
// "a/b.sql" -> "b.sql".
std::string_view BaseName(std::string_view path);
// How many digits `text` starts with.
std::size_t LeadingDigits(std::string_view text);
// Compares two numbers of any length, written in digits: < 0, 0, > 0.
int CompareNumbers(std::string_view one, std::string_view other);

// Replaces ${name}, ${name:-default} by values; what has none goes to `missing` with its line. A
// value keeps the number of lines: line breaks in it become spaces. Lines that are comments stay.
struct MissingPlaceholder {
  std::string name;
  int line = 1;
};
template <typename ValueOf>  // (std::string_view) -> std::optional<std::string>
std::string ReplacePlaceholders(std::string_view text, ValueOf value_of,
                                std::vector<MissingPlaceholder>& missing) {
  std::string result;
  for (const SourceLine& line : LinesOf(text)) {
    std::string_view left = text.substr(line.begin, line.end - line.begin);
    const bool is_comment = Trimmed(left).starts_with("--");
    while (!is_comment) {
      const std::size_t open = left.find("${");
      const std::size_t close = open == std::string_view::npos ? open : left.find('}', open);
      if (close == std::string_view::npos) break;
      std::string_view name = left.substr(open + 2, close - open - 2);
      std::string_view fallback;
      const std::size_t dash = name.find(":-");
      const bool has_fallback = dash != std::string_view::npos;
      if (has_fallback) {
        fallback = name.substr(dash + 2);
        name = name.substr(0, dash);
      }
      auto value = value_of(name);
      if (!value.has_value() && has_fallback) value = std::string(fallback);
      result.append(left.substr(0, open));
      if (value.has_value()) {
        for (const char c : *value) result += c == '\n' || c == '\r' ? ' ' : c;
      } else {
        missing.push_back({std::string(name), line.number});
      }
      left.remove_prefix(close + 1);
    }
    result.append(left);
    if (line.end < text.size()) result += '\n';
  }
  return result;
}

}  // namespace lockstep::migration
