#include "common/time/proto.h"

#include <string>

#include "common/status/error.h"

namespace lockstep::time {
namespace {

std::string Path(std::string_view field, std::string_view part) {
  return std::string(field).append(".").append(part);
}

}  // namespace

absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& message,
                                     std::string_view field) {
  if (message.nanos() < 0 || message.nanos() > 999'999'999) {
    return InvalidField(Path(field, "nanos"), "NANOS_OUT_OF_RANGE",
                        "must be between 0 and 999999999");
  }
  const absl::Time time = TruncateToMicros(absl::FromUnixSeconds(message.seconds()) +
                                           absl::Nanoseconds(message.nanos()));
  if (absl::Status status = CheckRange(time); !status.ok()) {
    return InvalidField(field, ReasonOf(status), MessageOf(status));
  }
  return time;
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  const absl::Time micros = TruncateToMicros(time);
  google::protobuf::Timestamp message;
  message.set_seconds(absl::ToUnixSeconds(micros));
  const absl::Duration rest = micros - absl::FromUnixSeconds(message.seconds());
  message.set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(rest)));
  return message;
}

absl::StatusOr<absl::CivilDay> FromProto(const google::type::Date& message,
                                         std::string_view field) {
  const absl::CivilDay day(message.year(), message.month(), message.day());
  // absl turns February 30 into March 1: what was written must be what came out.
  if (day.year() != message.year() || day.month() != message.month() ||
      day.day() != message.day()) {
    return InvalidField(field, "DAY_MALFORMED", "must be a day of the calendar");
  }
  if (absl::Status status = CheckRange(day); !status.ok()) {
    return InvalidField(field, ReasonOf(status), MessageOf(status));
  }
  return day;
}

google::type::Date ToProto(absl::CivilDay day) {
  google::type::Date message;
  message.set_year(static_cast<int>(day.year()));
  message.set_month(day.month());
  message.set_day(day.day());
  return message;
}

}  // namespace lockstep::time
