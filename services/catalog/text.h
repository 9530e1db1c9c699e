// Rules about the texts of the catalog: white space, markers for "no value", slugs and SKUs. Pure.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::catalog {

// ASCII only: names keep their other characters as they are.
[[nodiscard]] bool EqualsIgnoreCase(std::string_view a, std::string_view b);
[[nodiscard]] std::string ToLower(std::string_view text);

// Without white space at both ends, and with one blank for each run of white space inside.
[[nodiscard]] std::string CollapseSpace(std::string_view text);

// Characters (code points) of UTF-8 text: what varchar(n) counts.
[[nodiscard]] int CharacterCount(std::string_view utf8);

// True for what exports write when they know nothing: empty, "nan", "none", "null", "n/a", in any
// case.
[[nodiscard]] bool IsMissingMarker(std::string_view text);

// Lower case, "&" as "and", without "?", blanks as "-" (domain.md 2.2).
[[nodiscard]] std::string SlugOf(std::string_view name);
// 1 to 100 of a-z, 0-9 and hyphen: what platforms and categories use as keys.
[[nodiscard]] bool IsStrictSlug(std::string_view text);

// The SKU of a reported sale: its style code, or "stockx-item-" and the first 12 hex digits of the
// SHA-256 of the item name when the style code is missing.
[[nodiscard]] std::string SkuOf(std::string_view style_code, std::string_view item_name);

}  // namespace lockstep::catalog
