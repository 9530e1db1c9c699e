#include "services/catalog/vat.h"

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::catalog {

using decimal::Decimal;
using money::Money;

absl::StatusOr<VatSplit> SplitGross(const Money& gross, const Decimal& rate) {
  if (gross.minor() <= 0) {
    return Error(absl::StatusCode::kInvalidArgument, "PRICE_NOT_POSITIVE",
                 "a purchase price is above zero");
  }
  const Decimal hundred(100);
  if (rate.sign() < 0 || rate > hundred) {
    return Error(absl::StatusCode::kInvalidArgument, "VAT_RATE_OUT_OF_RANGE",
                 "a VAT rate is between 0 and 100 percent");
  }
  // gross * 100 / (100 + rate): one division, so one rounding.
  ASSIGN_OR_RETURN(Decimal divisor, decimal::Add(hundred, rate));
  ASSIGN_OR_RETURN(Decimal dividend, decimal::Multiply(gross.ToDecimal(), hundred));
  ASSIGN_OR_RETURN(Decimal net_amount,
                   decimal::Divide(dividend, divisor, gross.currency().minor_digits(),
                                   decimal::Rounding::kHalfAwayFromZero));
  ASSIGN_OR_RETURN(Money net, money::FromDecimal(net_amount, gross.currency()));
  ASSIGN_OR_RETURN(Money vat, money::Subtract(gross, net));
  return VatSplit{net, vat};
}

Decimal StandardVatRate(std::optional<absl::CivilDay> day) {
  const bool is_lowered =
      day.has_value() && *day >= absl::CivilDay(2020, 7, 1) && *day <= absl::CivilDay(2020, 12, 31);
  return Decimal(is_lowered ? 16 : 19);
}

}  // namespace lockstep::catalog
