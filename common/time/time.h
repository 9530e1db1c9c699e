// Times and days as text, and the range that PostgreSQL and protobuf share.
//
// A time is an absl::Time in whole microseconds between the years 1 and 9999; finer input is
// truncated, never rounded (rounding turns the last instant of 9999 into the year 10000). A day is
// an absl::CivilDay. Everything is in UTC. Errors are INVALID_ARGUMENT: TIME_MALFORMED,
// DAY_MALFORMED, TIME_OUT_OF_RANGE. Pure and thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace lockstep::time {

// Towards the past.
[[nodiscard]] absl::Time TruncateToMicros(absl::Time time);

// OK from 0001-01-01T00:00:00Z up to, not including, 10000-01-01T00:00:00Z.
[[nodiscard]] absl::Status CheckRange(absl::Time time);
[[nodiscard]] absl::Status CheckRange(absl::CivilDay day);

// "2024-01-31T08:15:00.123456+02:00" or "...Z". The offset is required; up to 9 digits of a second,
// truncated. No leap seconds (PostgreSQL has none).
[[nodiscard]] absl::StatusOr<absl::Time> ParseRfc3339(std::string_view text);
// UTC, with as many digits of a second as needed: "2024-01-31T06:15:00.123456Z".
[[nodiscard]] std::string FormatRfc3339(absl::Time time);

// "2024-01-31".
[[nodiscard]] absl::StatusOr<absl::CivilDay> ParseDay(std::string_view text);
[[nodiscard]] std::string FormatDay(absl::CivilDay day);

// The form of marketplace reports, "2022-07-14 07:37:30 +00": offset +HH, +HHMM or +HH:MM,
// required.
[[nodiscard]] absl::StatusOr<absl::Time> ParseReportTime(std::string_view text);

// The day of `time` in UTC, and the first instant of `day`.
[[nodiscard]] absl::CivilDay DayOf(absl::Time time);
[[nodiscard]] absl::Time StartOf(absl::CivilDay day);
// Days from `from` to `to`; negative when `to` is earlier.
[[nodiscard]] std::int64_t DaysBetween(absl::CivilDay from, absl::CivilDay to);

}  // namespace lockstep::time
