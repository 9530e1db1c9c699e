#include "common/money/proto.h"

#include <string>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::money {
namespace {

using decimal::Int128;

constexpr int kNanoDigits = 9;
constexpr std::int64_t kNanosPerUnit = 1'000'000'000;

std::int64_t MinorPerUnit(const Currency& currency) {
  std::int64_t result = 1;
  for (int i = 0; i < currency.minor_digits(); ++i) result *= 10;
  return result;
}

std::string Path(std::string_view field, std::string_view part) {
  return std::string(field).append(".").append(part);
}

}  // namespace

absl::StatusOr<Money> FromProto(const google::type::Money& message, std::string_view field) {
  const absl::StatusOr<Currency> currency = Currency::Parse(message.currency_code());
  if (!currency.ok()) {
    return InvalidField(Path(field, "currency_code"), "CURRENCY_UNKNOWN",
                        MessageOf(currency.status()));
  }
  const std::int64_t units = message.units();
  const std::int64_t nanos = message.nanos();
  if (nanos <= -kNanosPerUnit || nanos >= kNanosPerUnit) {
    return InvalidField(Path(field, "nanos"), "NANOS_OUT_OF_RANGE",
                        "must be between -999999999 and 999999999");
  }
  if ((units > 0 && nanos < 0) || (units < 0 && nanos > 0)) {
    return InvalidField(Path(field, "nanos"), "AMOUNT_SIGNS_DIFFER",
                        "must have the same sign as units");
  }
  // The message cannot say more than 28 digits (19 + 9): this always has a value.
  ASSIGN_OR_RETURN(const Decimal amount,
                   Decimal::FromUnscaled(Int128{units} * kNanosPerUnit + nanos, kNanoDigits));
  absl::StatusOr<Money> money = FromDecimal(amount, *currency);
  if (money.ok()) return money;
  if (money.status().code() == absl::StatusCode::kOutOfRange) {
    return InvalidField(Path(field, "units"), "AMOUNT_OUT_OF_RANGE", MessageOf(money.status()));
  }
  return InvalidField(Path(field, "nanos"), ReasonOf(money.status()), MessageOf(money.status()));
}

google::type::Money ToProto(const Money& money) {
  const std::int64_t per_unit = MinorPerUnit(money.currency());
  google::type::Money message;
  message.set_currency_code(money.currency().code());
  message.set_units(money.minor() / per_unit);
  message.set_nanos(static_cast<int>(money.minor() % per_unit * (kNanosPerUnit / per_unit)));
  return message;
}

}  // namespace lockstep::money
