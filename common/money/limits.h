// What an amount may be: the bound of the domain and the bounds of the columns that hold it.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "common/money/money.h"

namespace lockstep::money {

// numeric(precision, scale) of a column.
struct NumericType {
  int precision;
  int scale;
};
inline constexpr NumericType kNumeric10_2{10, 2};
inline constexpr NumericType kNumeric12_2{12, 2};

enum class AmountSign {
  kNotNegative,  // the rule, unless domain.md says otherwise
  kAny,
};

// OK when `amount` may be sent by a client (domain.md 6.1): not negative unless `sign` allows it,
// at most 999,999.99 in size, at most 2 decimals. Else INVALID_ARGUMENT naming `field`:
// AMOUNT_NEGATIVE, AMOUNT_OUT_OF_RANGE, AMOUNT_TOO_FINE.
[[nodiscard]] absl::Status CheckAmount(const Money& amount, std::string_view field,
                                       AmountSign sign = AmountSign::kNotNegative);

// OK when the column holds `amount` exactly. Else INVALID_ARGUMENT naming `field`:
// AMOUNT_OUT_OF_RANGE, AMOUNT_TOO_FINE.
[[nodiscard]] absl::Status CheckNumeric(const Money& amount, const NumericType& type,
                                        std::string_view field);
// The same for figures that are not money (percentages, ratios).
[[nodiscard]] absl::Status CheckNumeric(const Decimal& value, const NumericType& type,
                                        std::string_view field);

}  // namespace lockstep::money
