// ISO 4217 currencies: the code and how many digits the minor unit has (EUR 2, JPY 0, KWD 3).
#pragma once

#include <array>
#include <compare>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lockstep::money {

// A known currency. There is no "unknown" value: one that exists has a minor unit.
class Currency {
 public:
  // INVALID_ARGUMENT (CURRENCY_UNKNOWN) unless `code` is the upper-case code of a currency in
  // circulation.
  [[nodiscard]] static absl::StatusOr<Currency> Parse(std::string_view code);

  // For constants of our own. REQUIRES: `code` is a known code and `minor_digits` is right.
  constexpr Currency(const char (&code)[4], int minor_digits)
      : code_{code[0], code[1], code[2]}, minor_digits_(minor_digits) {}

  std::string code() const { return std::string(code_.data(), code_.size()); }
  // Digits after the point of one amount: 0, 2, 3 or 4.
  constexpr int minor_digits() const { return minor_digits_; }

  friend constexpr auto operator<=>(const Currency&, const Currency&) = default;

 private:
  std::array<char, 3> code_;
  int minor_digits_;
};

inline constexpr Currency kEur{"EUR", 2};
inline constexpr Currency kUsd{"USD", 2};
inline constexpr Currency kGbp{"GBP", 2};
inline constexpr Currency kJpy{"JPY", 0};

}  // namespace lockstep::money
