// google.protobuf.Timestamp and google.type.Date to our times and back. The only part of
// common/time that knows protobuf.
//
// Errors are INVALID_ARGUMENT (TIME_OUT_OF_RANGE, NANOS_OUT_OF_RANGE, DAY_MALFORMED) and name
// `field`, the path in the request.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "common/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/type/date.pb.h"

namespace lockstep::time {

// Truncates to microseconds. Refuses years outside 1..9999 and nanos outside 0..999,999,999.
[[nodiscard]] absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& message,
                                                   std::string_view field);
[[nodiscard]] google::protobuf::Timestamp ToProto(absl::Time time);

// Whole dates only: a missing year, month or day (0) is refused.
[[nodiscard]] absl::StatusOr<absl::CivilDay> FromProto(const google::type::Date& message,
                                                       std::string_view field);
[[nodiscard]] google::type::Date ToProto(absl::CivilDay day);

}  // namespace lockstep::time
