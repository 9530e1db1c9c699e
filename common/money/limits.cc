#include "common/money/limits.h"

#include <string>

#include "common/status/error.h"

namespace lockstep::money {
namespace {

constexpr std::int64_t kLargestWhole = 999'999;
constexpr int kFractionDigits = 2;

absl::Status TooFine(std::string_view field, int digits) {
  return InvalidField(field, "AMOUNT_TOO_FINE",
                      "must have at most " + std::to_string(digits) + " decimals");
}

// Has no digit other than 0 beyond `digits` decimals.
bool FitsScale(const Decimal& value, int digits) {
  const auto rounded = decimal::Rescale(value, digits, Rounding::kHalfAwayFromZero);
  // More than 30 digits at that scale: too large, which is for the range check to say.
  return !rounded.ok() || *rounded == value;
}

}  // namespace

absl::Status CheckAmount(const Money& amount, std::string_view field, AmountSign sign) {
  if (sign == AmountSign::kNotNegative && amount.is_negative()) {
    return InvalidField(field, "AMOUNT_NEGATIVE", "must not be negative");
  }
  const Decimal value = amount.ToDecimal();
  // 999,999.99: below the next whole number once there are at most two decimals.
  if (value >= Decimal(kLargestWhole + 1) || value <= Decimal(-kLargestWhole - 1)) {
    return InvalidField(field, "AMOUNT_OUT_OF_RANGE", "must be at most 999999.99");
  }
  if (!FitsScale(value, kFractionDigits)) return TooFine(field, kFractionDigits);
  return absl::OkStatus();
}

absl::Status CheckNumeric(const Money& amount, const NumericType& type, std::string_view field) {
  return CheckNumeric(amount.ToDecimal(), type, field);
}

absl::Status CheckNumeric(const Decimal& value, const NumericType& type, std::string_view field) {
  const auto bound =
      Decimal::Parse("1" + std::string(static_cast<std::size_t>(type.precision - type.scale), '0'));
  if (!bound.ok()) return bound.status();
  if (value >= *bound || value <= decimal::Negate(*bound)) {
    return InvalidField(field, "AMOUNT_OUT_OF_RANGE", "must be less than " + bound->ToText());
  }
  if (!FitsScale(value, type.scale)) return TooFine(field, type.scale);
  return absl::OkStatus();
}

}  // namespace lockstep::money
