// Amounts of money: a currency and a whole number of its minor units (cents). Never floating point.
//
// Arithmetic returns an error instead of wrapping (OUT_OF_RANGE, MONEY_OVERFLOW) or mixing
// currencies (INVALID_ARGUMENT, CURRENCY_MISMATCH). Products and quotients are computed in 128 bits
// or more and rounded once. Everything here is pure and thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/decimal/decimal.h"
#include "common/money/currency.h"

namespace lockstep::money {

using decimal::Decimal;
using decimal::Rounding;

class Money {
 public:
  constexpr Money(Currency currency, std::int64_t minor) : currency_(currency), minor_(minor) {}
  static constexpr Money Zero(Currency currency) { return Money(currency, 0); }

  constexpr const Currency& currency() const { return currency_; }
  // Whole minor units: 1234 in EUR is 12.34.
  constexpr std::int64_t minor() const { return minor_; }
  constexpr bool is_negative() const { return minor_ < 0; }
  constexpr bool is_zero() const { return minor_ == 0; }

  // The amount alone, as SQL numeric takes it: "-12.34" in EUR, "-1234" in JPY.
  std::string ToDecimalText() const;
  // The same as a number; the scale is the currency's minor digits.
  Decimal ToDecimal() const;

  // Same currency and same amount. There is no operator<: amounts of two currencies have no order,
  // see Compare.
  friend constexpr bool operator==(const Money&, const Money&) = default;

 private:
  Currency currency_;
  std::int64_t minor_;
};

// A share in hundredths of a percent: BasisPoints(950) is 9.5 %.
class BasisPoints {
 public:
  constexpr explicit BasisPoints(std::int64_t value) : value_(value) {}
  constexpr std::int64_t value() const { return value_; }
  friend constexpr auto operator<=>(const BasisPoints&, const BasisPoints&) = default;

 private:
  std::int64_t value_;
};

// Reads "1234.5" as an amount. Errors are INVALID_ARGUMENT: DECIMAL_MALFORMED or DECIMAL_TOO_LONG;
// AMOUNT_TOO_FINE when a digit beyond the minor unit is not zero (12.345 EUR; 12.3400 is fine:
// numeric columns pad); CURRENCY_UNKNOWN; and OUT_OF_RANGE (MONEY_OVERFLOW) beyond 64 bits.
[[nodiscard]] absl::StatusOr<Money> ParseMoney(std::string_view text, const Currency& currency);
[[nodiscard]] absl::StatusOr<Money> ParseMoney(std::string_view text,
                                               std::string_view currency_code);

// Exact: AMOUNT_TOO_FINE when `amount` does not fit the minor unit.
[[nodiscard]] absl::StatusOr<Money> FromDecimal(const Decimal& amount, const Currency& currency);
// Rounded once to the minor unit.
[[nodiscard]] absl::StatusOr<Money> RoundDecimal(const Decimal& amount, const Currency& currency,
                                                 Rounding rounding);

[[nodiscard]] absl::StatusOr<Money> Add(const Money& a, const Money& b);
[[nodiscard]] absl::StatusOr<Money> Subtract(const Money& a, const Money& b);
[[nodiscard]] absl::StatusOr<Money> Negate(const Money& a);
// CURRENCY_MISMATCH unless both have the same currency.
[[nodiscard]] absl::StatusOr<std::strong_ordering> Compare(const Money& a, const Money& b);

[[nodiscard]] absl::StatusOr<Money> Multiply(const Money& amount, const Decimal& factor,
                                             Rounding rounding);
[[nodiscard]] absl::StatusOr<Money> Multiply(const Money& amount, BasisPoints share,
                                             Rounding rounding);
// INVALID_ARGUMENT (DIVISION_BY_ZERO) when `divisor` is zero.
[[nodiscard]] absl::StatusOr<Money> Divide(const Money& amount, const Decimal& divisor,
                                           Rounding rounding);

// Splits `total` in proportion to `weights`, by largest remainder: the parts add up to `total`
// exactly and none is more than one minor unit off its exact share. Equal remainders go to the
// earlier part. INVALID_ARGUMENT (WEIGHTS_INVALID) when a weight is negative, there is none, or all
// are zero.
[[nodiscard]] absl::StatusOr<std::vector<Money>> Allocate(const Money& total,
                                                          std::span<const std::int64_t> weights);

}  // namespace lockstep::money
