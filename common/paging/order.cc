#include "common/paging/order.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::paging {
namespace {

constexpr std::size_t kMaxBytes = 1024;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t position = 0;
  while (position < text.size()) {
    if (IsSpace(text[position])) {
      ++position;
      continue;
    }
    const std::size_t start = position;
    while (position < text.size() && !IsSpace(text[position])) ++position;
    words.push_back(text.substr(start, position - start));
  }
  return words;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

absl::Status SyntaxError() {
  return InvalidField("order_by", "ORDER_BY_SYNTAX",
                      "want fields separated by commas, each optionally followed by asc or desc: "
                      "\"sold_at desc, id\"");
}

absl::Status UnknownField(std::string_view name, std::span<const SortField> fields,
                          const SortField& key) {
  std::string allowed;
  for (const SortField& field : fields) allowed += field.name + ", ";
  // The key may be one of the fields as well; it is named once, at the end.
  const bool is_listed = std::any_of(
      fields.begin(), fields.end(), [&](const SortField& field) { return field.name == key.name; });
  if (is_listed) {
    allowed.resize(allowed.size() - 2);
  } else {
    allowed += key.name;
  }
  return InvalidField("order_by", "ORDER_BY_FIELD_UNKNOWN",
                      "unknown field; allowed are: " + allowed)
      .With("field", name.substr(0, 100));
}

absl::StatusOr<SortTerm> ParseTerm(std::string_view part, std::span<const SortField> fields,
                                   const SortField& key) {
  const std::vector<std::string_view> words = Words(part);
  if (words.empty() || words.size() > 2) return SyntaxError();
  SortTerm term;
  if (words.size() == 2) {
    const std::string direction = Lower(words[1]);
    if (direction != "asc" && direction != "desc") return SyntaxError();
    term.is_descending = direction == "desc";
  }
  if (words[0] == key.name) {
    term.field = key;
    return term;
  }
  for (const SortField& field : fields) {
    if (field.name != words[0]) continue;
    term.field = field;
    return term;
  }
  return UnknownField(words[0], fields, key);
}

}  // namespace

absl::StatusOr<std::vector<SortTerm>> ParseOrder(std::string_view order_by,
                                                 std::string_view default_order_by,
                                                 std::span<const SortField> fields,
                                                 const SortField& key) {
  if (order_by.size() > kMaxBytes) return SyntaxError();
  if (Words(order_by).empty()) order_by = default_order_by;
  std::vector<SortTerm> order;
  while (!Words(order_by).empty()) {
    const std::size_t comma = order_by.find(',');
    ASSIGN_OR_RETURN(SortTerm term, ParseTerm(order_by.substr(0, comma), fields, key));
    for (const SortTerm& earlier : order) {
      if (earlier.field.name != term.field.name) continue;
      return InvalidField("order_by", "ORDER_BY_FIELD_REPEATED", "each field may occur once")
          .With("field", term.field.name);
    }
    order.push_back(std::move(term));
    if (comma == std::string_view::npos) break;
    order_by.remove_prefix(comma + 1);
    if (Words(order_by).empty()) return SyntaxError();  // "sold_at,"
  }
  // Rows are unique by their key, so nothing behind it can matter.
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i].field.name != key.name) continue;
    order.resize(i + 1);
    return order;
  }
  const bool is_descending = !order.empty() && order.back().is_descending;
  order.push_back(SortTerm{key, is_descending});
  return order;
}

std::string CanonicalText(std::span<const SortTerm> order) {
  std::string text;
  for (const SortTerm& term : order) {
    if (!text.empty()) text += ", ";
    text += term.field.name + (term.is_descending ? " desc" : " asc");
  }
  return text;
}

}  // namespace lockstep::paging
