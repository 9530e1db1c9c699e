#include "common/money/money.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::money {
namespace {

using decimal::Int128;

absl::Status Overflow() {
  return Error(absl::StatusCode::kOutOfRange, "MONEY_OVERFLOW",
               "the amount does not fit 64 bits of minor units");
}

absl::Status CheckSameCurrency(const Money& a, const Money& b) {
  if (a.currency() == b.currency()) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "CURRENCY_MISMATCH",
               "amounts of different currencies cannot be combined")
      .With("left", a.currency().code())
      .With("right", b.currency().code());
}

absl::StatusOr<Money> FromMinor(const Currency& currency, Int128 minor) {
  if (minor < std::numeric_limits<std::int64_t>::min() ||
      minor > std::numeric_limits<std::int64_t>::max()) {
    return Overflow();
  }
  return Money(currency, static_cast<std::int64_t>(minor));
}

// A decimal with exactly the currency's digits as money; more than 30 digits are more than 64 bits.
absl::StatusOr<Money> FromScaled(const absl::StatusOr<Decimal>& amount, const Currency& currency) {
  if (!amount.ok()) {
    return amount.status().code() == absl::StatusCode::kOutOfRange ? Overflow() : amount.status();
  }
  return FromMinor(currency, amount->unscaled());
}

}  // namespace

std::string Money::ToDecimalText() const { return ToDecimal().ToText(); }

Decimal Money::ToDecimal() const {
  // 64 bits are at most 19 digits: this cannot fail.
  return *Decimal::FromUnscaled(minor_, currency_.minor_digits());
}

absl::StatusOr<Money> ParseMoney(std::string_view text, const Currency& currency) {
  ASSIGN_OR_RETURN(const Decimal amount, Decimal::Parse(text));
  return FromDecimal(amount, currency);
}

absl::StatusOr<Money> ParseMoney(std::string_view text, std::string_view currency_code) {
  ASSIGN_OR_RETURN(const Currency currency, Currency::Parse(currency_code));
  return ParseMoney(text, currency);
}

absl::StatusOr<Money> FromDecimal(const Decimal& amount, const Currency& currency) {
  ASSIGN_OR_RETURN(const Money rounded,
                   RoundDecimal(amount, currency, Rounding::kHalfAwayFromZero));
  if (rounded.ToDecimal() != amount) {
    return Error(absl::StatusCode::kInvalidArgument, "AMOUNT_TOO_FINE",
                 "the amount is finer than the currency's minor unit")
        .With("currency", currency.code())
        .With("minor_digits", currency.minor_digits());
  }
  return rounded;
}

absl::StatusOr<Money> RoundDecimal(const Decimal& amount, const Currency& currency,
                                   Rounding rounding) {
  return FromScaled(decimal::Rescale(amount, currency.minor_digits(), rounding), currency);
}

absl::StatusOr<Money> Add(const Money& a, const Money& b) {
  RETURN_IF_ERROR(CheckSameCurrency(a, b));
  return FromMinor(a.currency(), Int128{a.minor()} + b.minor());
}

absl::StatusOr<Money> Subtract(const Money& a, const Money& b) {
  RETURN_IF_ERROR(CheckSameCurrency(a, b));
  return FromMinor(a.currency(), Int128{a.minor()} - b.minor());
}

absl::StatusOr<Money> Negate(const Money& a) { return FromMinor(a.currency(), -Int128{a.minor()}); }

absl::StatusOr<std::strong_ordering> Compare(const Money& a, const Money& b) {
  RETURN_IF_ERROR(CheckSameCurrency(a, b));
  return a.minor() <=> b.minor();
}

absl::StatusOr<Money> Multiply(const Money& amount, const Decimal& factor, Rounding rounding) {
  const Currency& currency = amount.currency();
  return FromScaled(
      decimal::Multiply(amount.ToDecimal(), factor, currency.minor_digits(), rounding), currency);
}

absl::StatusOr<Money> Multiply(const Money& amount, BasisPoints share, Rounding rounding) {
  ASSIGN_OR_RETURN(const Decimal factor, Decimal::FromUnscaled(share.value(), 4));
  return Multiply(amount, factor, rounding);
}

absl::StatusOr<Money> Divide(const Money& amount, const Decimal& divisor, Rounding rounding) {
  const Currency& currency = amount.currency();
  return FromScaled(decimal::Divide(amount.ToDecimal(), divisor, currency.minor_digits(), rounding),
                    currency);
}

absl::StatusOr<std::vector<Money>> Allocate(const Money& total,
                                            std::span<const std::int64_t> weights) {
  Int128 sum = 0;
  for (const std::int64_t weight : weights) {
    if (weight < 0) sum = std::numeric_limits<std::int64_t>::min();
    if (sum < 0) break;
    sum += weight;
  }
  if (sum <= 0) {
    return Error(absl::StatusCode::kInvalidArgument, "WEIGHTS_INVALID",
                 "weights must not be negative, and one must be positive");
  }
  std::vector<std::int64_t> parts;
  std::vector<Int128> remainders;
  Int128 left = total.minor();
  for (const std::int64_t weight : weights) {
    const Int128 exact = Int128{total.minor()} * weight;
    parts.push_back(static_cast<std::int64_t>(exact / sum));
    remainders.push_back(exact % sum < 0 ? -(exact % sum) : exact % sum);
    left -= parts.back();
  }
  // Division cut every part towards zero, so what is left has the sign of the total and is less
  // than one unit a part.
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  const std::int64_t unit = left < 0 ? -1 : 1;
  for (std::size_t i = 0; left != 0; ++i, left -= unit) parts[order[i]] += unit;

  std::vector<Money> result;
  result.reserve(parts.size());
  for (const std::int64_t part : parts) result.emplace_back(total.currency(), part);
  return result;
}

}  // namespace lockstep::money
