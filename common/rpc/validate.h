// The one check that every request passes before its handler sees it, by reflection over any
// message.
//
// Refused, each with the path of its field ("order.gross_sale", "items[2].name", "labels[\"eu\"]"),
// all of them in one INVALID_ARGUMENT (REQUEST_INVALID):
//   - text with U+0000, which PostgreSQL cannot store;
//   - google.type.Money: unknown currency, sign of units and nanos unlike, nanos out of range,
//     finer than the currency's minor unit, beyond +-999,999.99 (domain.md: amounts on the wire);
//   - google.protobuf.Timestamp outside the years 0001 to 9999; google.type.Date that is no day;
//   - a negative page_size;
//   - a field marked (google.api.field_behavior) = REQUIRED that is unset: an empty text, bytes,
//     list or map, an absent message, an enum at UNSPECIFIED. Numbers and booleans without
//     `optional` cannot be told from unset and pass.
//
// Left alone: the inside of google.protobuf.Struct, Value and Any; fields marked OUTPUT_ONLY, which
// services ignore; and, in a request with an `update_mask`, what is REQUIRED inside the resource,
// since a partial update sets only what it changes.
#pragma once

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace lockstep::rpc {

// Pure and thread-safe. At most 100 fields are listed; the message says how many more there are.
[[nodiscard]] absl::Status ValidateRequest(const google::protobuf::Message& request);

}  // namespace lockstep::rpc
