#include "common/time/time.h"

#include <string>

#include "common/status/testing.h"
#include "common/time/clock.h"
#include "gtest/gtest.h"

namespace lockstep::time {
namespace {

using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

// The time as RFC 3339 text in UTC, or the reason of the error.
std::string TextOf(const absl::StatusOr<absl::Time>& time) {
  return time.ok() ? FormatRfc3339(*time) : ReasonOf(time.status());
}

struct TimeCase {
  const char* text;
  const char* want;
};

TEST(Rfc3339, ReadsTimesWithOffset) {
  for (const TimeCase& test : {TimeCase{"2024-01-31T08:15:00Z", "2024-01-31T08:15:00Z"},
                               {"2024-01-31t08:15:00z", "2024-01-31T08:15:00Z"},
                               {"2024-01-31T08:15:00+02:00", "2024-01-31T06:15:00Z"},
                               {"2024-01-31T23:15:00-01:30", "2024-02-01T00:45:00Z"},
                               {"2024-02-29T00:00:00.5Z", "2024-02-29T00:00:00.5Z"},
                               {"2024-01-31T08:15:00.123456Z", "2024-01-31T08:15:00.123456Z"},
                               // Truncated, in the far past and future too.
                               {"2024-01-31T08:15:00.123456999Z", "2024-01-31T08:15:00.123456Z"},
                               {"1960-01-01T00:00:00.000000999Z", "1960-01-01T00:00:00Z"},
                               {"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999Z"},
                               {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"}}) {
    EXPECT_EQ(TextOf(ParseRfc3339(test.text)), test.want) << test.text;
  }
}

TEST(Rfc3339, RefusesWhatIsNotATimeWithOffset) {
  for (const std::string_view text : {"",
                                      "2024-01-31",
                                      "2024-01-31T08:15:00",
                                      "2024-01-31 08:15:00Z",
                                      "2024-01-31T08:15Z",
                                      "2024-02-30T00:00:00Z",
                                      "2023-02-29T00:00:00Z",
                                      "2024-13-01T00:00:00Z",
                                      "2024-00-10T00:00:00Z",
                                      "2024-01-31T24:00:00Z",
                                      "2024-01-31T08:60:00Z",
                                      "2024-01-31T08:15:60Z",
                                      "2024-01-31T08:15:00.Z",
                                      "2024-01-31T08:15:00.1234567890Z",
                                      "2024-01-31T08:15:00+0200",
                                      "2024-01-31T08:15:00+02",
                                      "2024-01-31T08:15:00+24:00",
                                      "2024-01-31T08:15:00+02:60",
                                      " 2024-01-31T08:15:00Z",
                                      "2024-01-31T08:15:00Z ",
                                      "24-01-31T08:15:00Z",
                                      "infinite-future",
                                      "now",
                                      "+2024-01-31T08:15:00Z"}) {
    EXPECT_THAT(ParseRfc3339(text),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("TIME_MALFORMED")))
        << text;
  }
}

TEST(Rfc3339, RefusesTimesThatTheDatabaseCannotHold) {
  for (const char* text :
       {"0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"}) {
    EXPECT_EQ(TextOf(ParseRfc3339(text)), "TIME_OUT_OF_RANGE") << text;
  }
}

TEST(ReportTime, ReadsTheMarketplaceForm) {
  for (const TimeCase& test : {TimeCase{"2022-07-14 07:37:30 +00", "2022-07-14T07:37:30Z"},
                               {"2022-07-14 07:37:30 +0200", "2022-07-14T05:37:30Z"},
                               {"2022-07-14 07:37:30 -05:30", "2022-07-14T13:07:30Z"},
                               {"2022-07-14 07:37:30.25 +00", "2022-07-14T07:37:30.25Z"},
                               {"", "TIME_MALFORMED"},
                               {"2022-07-14", "TIME_MALFORMED"},
                               {"2022-07-14 07:37:30", "TIME_MALFORMED"},
                               {"2022-07-14 07:37:30 Z", "TIME_MALFORMED"},
                               {"2022-07-14 07:37:30+00", "TIME_MALFORMED"},
                               {"2022-07-14 07:37:30 +0", "TIME_MALFORMED"},
                               {"2022-07-14 07:37:30 +00:", "TIME_MALFORMED"},
                               {"14.07.2022 07:37:30 +00", "TIME_MALFORMED"}}) {
    EXPECT_EQ(TextOf(ParseReportTime(test.text)), test.want) << test.text;
  }
}

TEST(Day, ReadsAndWrites) {
  EXPECT_THAT(ParseDay("2024-02-29"), IsOkAndHolds(absl::CivilDay(2024, 2, 29)));
  EXPECT_EQ(FormatDay(absl::CivilDay(33, 4, 5)), "0033-04-05");
  for (const char* text : {"", "2024-2-29", "2023-02-29", "2024-02-29T00:00:00Z", "20240229"}) {
    EXPECT_THAT(ParseDay(text),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("DAY_MALFORMED")))
        << text;
  }
  EXPECT_THAT(ParseDay("0000-01-01"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("TIME_OUT_OF_RANGE")));
}

TEST(Day, IsTheDayInUtc) {
  const absl::CivilDay day(2024, 1, 31);
  EXPECT_EQ(DayOf(StartOf(day)), day);
  EXPECT_EQ(DayOf(StartOf(day) - absl::Microseconds(1)), day - 1);
  EXPECT_EQ(DaysBetween(day, absl::CivilDay(2024, 3, 1)), 30);
  EXPECT_EQ(DaysBetween(absl::CivilDay(2024, 3, 1), day), -30);
}

TEST(TimeRange, EndsWithTheYear9999) {
  const absl::Time end = StartOf(absl::CivilDay(10000, 1, 1));
  EXPECT_OK(CheckRange(end - absl::Nanoseconds(1)));
  EXPECT_THAT(CheckRange(end), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckRange(absl::InfiniteFuture()), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckRange(absl::InfinitePast()), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckRange(absl::CivilDay(10000, 1, 1)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Truncate, GoesTowardsThePast) {
  const absl::Time epoch = absl::UnixEpoch();
  EXPECT_EQ(TruncateToMicros(epoch + absl::Nanoseconds(1999)), epoch + absl::Microseconds(1));
  EXPECT_EQ(TruncateToMicros(epoch - absl::Nanoseconds(1)), epoch - absl::Microseconds(1));
  EXPECT_EQ(TruncateToMicros(epoch - absl::Microseconds(3)), epoch - absl::Microseconds(3));
  EXPECT_EQ(TruncateToMicros(absl::InfiniteFuture()), absl::InfiniteFuture());
}

TEST(Clock, FakeStandsStillUntilTold) {
  FakeClock clock(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
  clock.Advance(absl::Hours(1));
  EXPECT_EQ(clock.Now(), absl::UnixEpoch() + absl::Hours(1));
  clock.Set(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
}

TEST(Clock, SystemTellsWholeMicroseconds) {
  const SystemClock clock;
  const absl::Time now = clock.Now();
  EXPECT_EQ(now, TruncateToMicros(now));
  EXPECT_LE(now, clock.Now());
}

}  // namespace
}  // namespace lockstep::time
