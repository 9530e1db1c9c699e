// Sizes as marketplaces write them ("9.5", "7W", "EU 42", "34W/32L", "N/A"), read by a table. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lockstep::catalog {

// One row of products.sizes, without its category.
struct ParsedSize {
  std::string value;                  // trimmed, single blanks; "One Size" when there is no size
  std::string region;                 // US, UK, EU, JP, KR, CM or UNKNOWN
  std::optional<std::string> number;  // numeric(4,1) when the value has one number: "7.0" of "7W"

  friend bool operator==(const ParsedSize&, const ParsedSize&) = default;
};

inline constexpr int kMaxSizeCharacters = 20;

// Reads any text; what the table does not know keeps its text in region UNKNOWN. A bare number is
// US, unless it is too large for a US shoe and fits the European scale.
[[nodiscard]] ParsedSize ParseSize(std::string_view text);

// The number of `value` in the form of ParsedSize::number, for sizes whose region is stated.
[[nodiscard]] std::optional<std::string> SizeNumber(std::string_view value);

}  // namespace lockstep::catalog
