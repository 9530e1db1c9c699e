#include "common/time/time.h"

#include <cstddef>
#include <cstdio>
#include <optional>

#include "common/status/error.h"

namespace lockstep::time {
namespace {

constexpr int kMinYear = 1;
constexpr int kMaxYear = 9999;

absl::Status OutOfRange() {
  return Error(absl::StatusCode::kInvalidArgument, "TIME_OUT_OF_RANGE",
               "must be between the years 1 and 9999");
}

absl::Status TimeMalformed(const char* example) {
  return Error(absl::StatusCode::kInvalidArgument, "TIME_MALFORMED",
               std::string("must be a time with offset such as ") + example);
}

// Takes fixed pieces from the front of a text; after the first mismatch nothing matches any more.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // Exactly `digits` decimal digits.
  int Number(int digits) {
    int value = 0;
    for (int i = 0; i < digits; ++i) {
      if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return Fail();
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }

  // One character out of `allowed`; 0 when there is none.
  char OneOf(std::string_view allowed) {
    if (rest_.empty() || allowed.find(rest_.front()) == std::string_view::npos) {
      Fail();
      return 0;
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  bool StartsWith(std::string_view text) const { return !has_failed_ && rest_.starts_with(text); }
  bool StartsWithDigit() const {
    return !has_failed_ && !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
  }
  bool IsAtEnd() const { return !has_failed_ && rest_.empty(); }
  bool has_failed() const { return has_failed_; }
  int Fail() {
    has_failed_ = true;
    rest_ = {};
    return 0;
  }

 private:
  std::string_view rest_;
  bool has_failed_ = false;
};

// A day as written; absl's civil types would silently turn February 30 into March 1.
std::optional<absl::CivilDay> TakeDay(Scanner& scanner) {
  const int year = scanner.Number(4);
  scanner.OneOf("-");
  const int month = scanner.Number(2);
  scanner.OneOf("-");
  const int day = scanner.Number(2);
  if (scanner.has_failed()) return std::nullopt;
  const absl::CivilDay civil(year, month, day);
  if (civil.year() != year || civil.month() != month || civil.day() != day) return std::nullopt;
  return civil;
}

// "HH:MM:SS" since midnight.
std::optional<absl::Duration> TakeTimeOfDay(Scanner& scanner) {
  const int hour = scanner.Number(2);
  scanner.OneOf(":");
  const int minute = scanner.Number(2);
  scanner.OneOf(":");
  const int second = scanner.Number(2);
  if (scanner.has_failed() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return absl::Hours(hour) + absl::Minutes(minute) + absl::Seconds(second);
}

// ".5" to ".123456789", or nothing. Digits beyond the sixth are dropped.
std::optional<absl::Duration> TakeFraction(Scanner& scanner) {
  if (!scanner.StartsWith(".")) return absl::ZeroDuration();
  scanner.OneOf(".");
  std::int64_t micros = 0;
  int digits = 0;
  for (; scanner.StartsWithDigit(); ++digits) {
    const int digit = scanner.Number(1);
    if (digits < 6) micros = micros * 10 + digit;
  }
  if (digits == 0 || digits > 9) return std::nullopt;
  for (int i = digits; i < 6; ++i) micros *= 10;
  return absl::Microseconds(micros);
}

// "Z" or "+HH:MM"; when `is_lenient`, as reports write it: "+HH", "+HHMM" or "+HH:MM".
std::optional<absl::Duration> TakeOffset(Scanner& scanner, bool is_lenient) {
  const char sign = scanner.OneOf(is_lenient ? "+-" : "+-Zz");
  if (sign == 'Z' || sign == 'z') return absl::ZeroDuration();
  const int hours = scanner.Number(2);
  int minutes = 0;
  if (!(is_lenient && scanner.IsAtEnd())) {
    if (!is_lenient || scanner.StartsWith(":")) scanner.OneOf(":");
    minutes = scanner.Number(2);
  }
  if (scanner.has_failed() || hours > 23 || minutes > 59) return std::nullopt;
  const absl::Duration offset = absl::Hours(hours) + absl::Minutes(minutes);
  return sign == '-' ? -offset : offset;
}

absl::StatusOr<absl::Time> ParseTime(std::string_view text, const char* example,
                                     std::string_view separators, bool is_report) {
  Scanner scanner(text);
  const auto day = TakeDay(scanner);
  scanner.OneOf(separators);
  const auto time_of_day = TakeTimeOfDay(scanner);
  const auto fraction = TakeFraction(scanner);
  if (is_report) scanner.OneOf(" ");
  const auto offset = TakeOffset(scanner, is_report);
  if (!day || !time_of_day || !fraction || !offset || !scanner.IsAtEnd()) {
    return TimeMalformed(example);
  }
  const absl::Time time = StartOf(*day) + *time_of_day + *fraction - *offset;
  if (absl::Status status = CheckRange(time); !status.ok()) return status;
  return time;
}

}  // namespace

absl::Time TruncateToMicros(absl::Time time) {
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return time;
  const absl::Duration since_epoch = time - absl::UnixEpoch();
  return absl::UnixEpoch() + absl::Floor(since_epoch, absl::Microseconds(1));
}

absl::Status CheckRange(absl::Time time) {
  static const absl::Time kFirst = StartOf(absl::CivilDay(kMinYear, 1, 1));
  static const absl::Time kEnd = StartOf(absl::CivilDay(kMaxYear + 1, 1, 1));
  return time >= kFirst && time < kEnd ? absl::OkStatus() : OutOfRange();
}

absl::Status CheckRange(absl::CivilDay day) {
  return day.year() >= kMinYear && day.year() <= kMaxYear ? absl::OkStatus() : OutOfRange();
}

absl::StatusOr<absl::Time> ParseRfc3339(std::string_view text) {
  return ParseTime(text, "2024-01-31T08:15:00Z", "Tt", /*is_report=*/false);
}

std::string FormatRfc3339(absl::Time time) {
  const absl::Time micros = TruncateToMicros(time);
  const absl::TimeZone utc = absl::UTCTimeZone();
  std::string text = FormatDay(DayOf(micros));
  text += absl::FormatTime("T%H:%M:%E*S", micros, utc);
  text += 'Z';
  return text;
}

absl::StatusOr<absl::CivilDay> ParseDay(std::string_view text) {
  Scanner scanner(text);
  const auto day = TakeDay(scanner);
  if (!day || !scanner.IsAtEnd()) {
    return Error(absl::StatusCode::kInvalidArgument, "DAY_MALFORMED",
                 "must be a day such as 2024-01-31");
  }
  if (absl::Status status = CheckRange(*day); !status.ok()) return status;
  return *day;
}

std::string FormatDay(absl::CivilDay day) {
  char text[40];
  const int length = std::snprintf(text, sizeof text, "%04lld-%02d-%02d",
                                   static_cast<long long>(day.year()), day.month(), day.day());
  return {text, static_cast<std::size_t>(length)};
}

absl::StatusOr<absl::Time> ParseReportTime(std::string_view text) {
  return ParseTime(text, "2022-07-14 07:37:30 +00", " ", /*is_report=*/true);
}

absl::CivilDay DayOf(absl::Time time) { return absl::ToCivilDay(time, absl::UTCTimeZone()); }

absl::Time StartOf(absl::CivilDay day) { return absl::FromCivil(day, absl::UTCTimeZone()); }

std::int64_t DaysBetween(absl::CivilDay from, absl::CivilDay to) { return to - from; }

}  // namespace lockstep::time
