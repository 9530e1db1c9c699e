#include "services/migration/importer/source_text.h"

#include <algorithm>
#include <cctype>

namespace lockstep::migration {

std::vector<SourceLine> LinesOf(std::string_view text) {
  std::vector<SourceLine> lines;
  int number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back({number, begin, end, line});
    begin = end + 1;
  }
  return lines;
}

void BlankOut(std::string& text, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < std::min(end, text.size()); ++i) {
    if (text[i] != '\n' && text[i] != '\r') text[i] = ' ';
  }
}

std::string KeepOnly(std::string_view text, std::size_t begin, std::size_t end) {
  // One long file may hold hundreds of scripts: what comes before is lines only, what comes after
  // is left off.
  const std::string_view before = text.substr(0, begin);
  std::string kept(static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')), '\n');
  return kept.append(text.substr(begin, end - begin));
}

std::string_view Trimmed(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string_view BaseName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::size_t LeadingDigits(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0) {
    ++digits;
  }
  return digits;
}

int CompareNumbers(std::string_view one, std::string_view other) {
  const auto strip = [](std::string_view number) {
    while (number.size() > 1 && number.front() == '0') number.remove_prefix(1);
    return number;
  };
  one = strip(one);
  other = strip(other);
  if (one.size() != other.size()) return one.size() < other.size() ? -1 : 1;
  return one.compare(other);
}

}  // namespace lockstep::migration
