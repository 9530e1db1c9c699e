// VAT on purchases: the split of a gross price (domain.md F1, F2) and Germany's standard rate.
// Pure.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/decimal/decimal.h"
#include "common/money/money.h"

namespace lockstep::catalog {

struct VatSplit {
  money::Money net;
  money::Money vat;  // gross - net, so that the two always add up to the gross price
};

// net = gross / (1 + rate/100), rounded once, half away from zero. `rate` is percent; 0 means
// bought without VAT. INVALID_ARGUMENT: PRICE_NOT_POSITIVE for gross <= 0, VAT_RATE_OUT_OF_RANGE
// outside 0..100.
[[nodiscard]] absl::StatusOr<VatSplit> SplitGross(const money::Money& gross,
                                                  const decimal::Decimal& rate);

// Percent that German shops charged on that day: 19, and 16 from 2020-07-01 to 2020-12-31. 19 when
// the day is not known.
[[nodiscard]] decimal::Decimal StandardVatRate(std::optional<absl::CivilDay> day);

}  // namespace lockstep::catalog
