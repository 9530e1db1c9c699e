// google.type.Money to Money and back. The only part of common/money that knows protobuf.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "common/money/money.h"
#include "google/type/money.pb.h"

namespace lockstep::money {

// Errors are INVALID_ARGUMENT naming `field` (the path of the message in the request,
// "order.gross_sale"), or its part that is wrong: CURRENCY_UNKNOWN (field.currency_code),
// NANOS_OUT_OF_RANGE, AMOUNT_SIGNS_DIFFER, AMOUNT_TOO_FINE (field.nanos), AMOUNT_OUT_OF_RANGE
// (field.units, when minor units do not fit 64 bits). Domain bounds: CheckAmount.
[[nodiscard]] absl::StatusOr<Money> FromProto(const google::type::Money& message,
                                              std::string_view field);

[[nodiscard]] google::type::Money ToProto(const Money& money);

}  // namespace lockstep::money
