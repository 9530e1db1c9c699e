#include "common/time/proto.h"

#include <limits>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::time {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;

google::protobuf::Timestamp Stamp(std::int64_t seconds, std::int32_t nanos) {
  google::protobuf::Timestamp message;
  message.set_seconds(seconds);
  message.set_nanos(nanos);
  return message;
}

google::type::Date Date(int year, int month, int day) {
  google::type::Date message;
  message.set_year(year);
  message.set_month(month);
  message.set_day(day);
  return message;
}

constexpr std::int64_t kFirstSecond = -62'135'596'800;
constexpr std::int64_t kLastSecond = 253'402'300'799;

TEST(TimestampProto, TruncatesToMicroseconds) {
  EXPECT_THAT(FromProto(Stamp(1, 999), "t"), IsOkAndHolds(absl::FromUnixSeconds(1)));
  EXPECT_THAT(FromProto(Stamp(-1, 1999), "t"),
              IsOkAndHolds(absl::FromUnixSeconds(-1) + absl::Microseconds(1)));
  EXPECT_THAT(FromProto(Stamp(kLastSecond, 999'999'999), "t"),
              IsOkAndHolds(absl::FromUnixSeconds(kLastSecond) + absl::Microseconds(999'999)));
  EXPECT_OK(FromProto(Stamp(kFirstSecond, 0), "t"));
}

TEST(TimestampProto, RefusesWhatTheDatabaseCannotHold) {
  for (const std::int64_t seconds :
       {kFirstSecond - 1, kLastSecond + 1, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_THAT(FromProto(Stamp(seconds, 0), "sold_at"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(Reason("TIME_OUT_OF_RANGE"), HasField("sold_at"))))
        << seconds;
  }
  for (const std::int32_t nanos : {-1, 1'000'000'000}) {
    EXPECT_THAT(FromProto(Stamp(0, nanos), "sold_at"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(Reason("NANOS_OUT_OF_RANGE"), HasField("sold_at.nanos"))));
  }
}

TEST(TimestampProto, RoundTrips) {
  for (const auto& stamp :
       {Stamp(0, 0), Stamp(-1, 1000), Stamp(kFirstSecond, 0), Stamp(kLastSecond, 999'999'000)}) {
    ASSERT_OK_AND_ASSIGN(const absl::Time time, FromProto(stamp, "t"));
    EXPECT_EQ(ToProto(time).ShortDebugString(), stamp.ShortDebugString());
  }
}

TEST(DateProto, ReadsDaysOfTheCalendar) {
  EXPECT_THAT(FromProto(Date(2024, 2, 29), "d"), IsOkAndHolds(absl::CivilDay(2024, 2, 29)));
  EXPECT_EQ(ToProto(absl::CivilDay(2024, 2, 29)).ShortDebugString(),
            Date(2024, 2, 29).ShortDebugString());
  for (const auto& date : {Date(2023, 2, 29), Date(2024, 0, 1), Date(2024, 1, 0), Date(2024, 13, 1),
                           Date(2024, -1, 1)}) {
    EXPECT_THAT(FromProto(date, "expense.day"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(Reason("DAY_MALFORMED"), HasField("expense.day"))))
        << date.ShortDebugString();
  }
  for (const auto& date : {Date(0, 1, 1), Date(10000, 1, 1)}) {
    EXPECT_THAT(FromProto(date, "d"),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("TIME_OUT_OF_RANGE")));
  }
}

}  // namespace
}  // namespace lockstep::time
