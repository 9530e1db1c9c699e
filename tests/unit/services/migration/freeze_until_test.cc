#include "services/migration/cli/freeze_until.h"

#include <string>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::cli {
namespace {

using ::lockstep::testing::IsOkAndHolds;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::VariantWith;

TEST(FreezeUntilTest, ReadsDurations) {
  const auto is = [](absl::Duration duration) {
    return IsOkAndHolds(VariantWith<absl::Duration>(duration));
  };
  EXPECT_THAT(ParseFreezeUntil("2h"), is(absl::Hours(2)));
  EXPECT_THAT(ParseFreezeUntil("30m"), is(absl::Minutes(30)));
  EXPECT_THAT(ParseFreezeUntil("3d"), is(absl::Hours(72)));
  EXPECT_THAT(ParseFreezeUntil("90s"), is(absl::Seconds(90)));
  EXPECT_THAT(ParseFreezeUntil("1d12h30m5s"),
              is(absl::Hours(36) + absl::Minutes(30) + absl::Seconds(5)));
}

TEST(FreezeUntilTest, ReadsTimesWithAnOffset) {
  EXPECT_THAT(ParseFreezeUntil("2025-12-24T18:00:00+01:00"),
              IsOkAndHolds(VariantWith<absl::Time>(absl::FromCivil(
                  absl::CivilSecond(2025, 12, 24, 17, 0, 0), absl::UTCTimeZone()))));
}

TEST(FreezeUntilTest, RefusesTheRest) {
  for (const char* text :
       {"", "2", "h", "2 h", "-2h", "0m", "1.5h", "30m2h", "1h1h", "2w", "999999999d", "tomorrow",
        "2025-12-24", "2025-12-24T18:00:00", "2025-13-24T18:00:00Z"}) {
    EXPECT_THAT(ParseFreezeUntil(text),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("UNTIL_INVALID")))
        << text;
  }
}

}  // namespace
}  // namespace lockstep::cli
