#include "services/catalog/text.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"

namespace lockstep::catalog {
namespace {

constexpr int kSkuHashDigits = 12;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, Lower, Lower);
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), Lower);
  return lower;
}

std::string CollapseSpace(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool is_pending = false;
  for (const char c : text) {
    if (IsSpace(c)) {
      is_pending = !out.empty();
      continue;
    }
    if (is_pending) out += ' ';
    is_pending = false;
    out += c;
  }
  return out;
}

int CharacterCount(std::string_view utf8) {
  return static_cast<int>(std::ranges::count_if(
      utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool IsMissingMarker(std::string_view text) {
  constexpr std::array<std::string_view, 5> kMarkers = {"", "nan", "none", "null", "n/a"};
  const std::string value = CollapseSpace(text);
  return std::ranges::any_of(
      kMarkers, [&](std::string_view marker) { return EqualsIgnoreCase(value, marker); });
}

std::string SlugOf(std::string_view name) {
  std::string slug;
  for (const char c : CollapseSpace(name)) {
    if (c == '&') {
      slug += "and";
    } else if (c == ' ') {
      slug += '-';
    } else if (c != '?') {
      slug += Lower(c);
    }
  }
  return slug;
}

bool IsStrictSlug(std::string_view text) {
  return !text.empty() && text.size() <= 100 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string SkuOf(std::string_view style_code, std::string_view item_name) {
  if (!IsMissingMarker(style_code)) return CollapseSpace(style_code);
  const std::string name = CollapseSpace(item_name);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), digest.data());
  const std::string bytes(reinterpret_cast<const char*>(digest.data()), kSkuHashDigits / 2);
  return "stockx-item-" + absl::BytesToHexString(bytes);
}

}  // namespace lockstep::catalog
