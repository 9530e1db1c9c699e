#include "services/catalog/vat.h"

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::catalog {
namespace {

using decimal::Decimal;
using money::kEur;
using money::Money;
using testing::Reason;
using testing::StatusIs;

struct SplitCase {
  const char* name;
  std::int64_t gross;
  const char* rate;
  std::int64_t net;
  std::int64_t vat;
};

class SplitGrossTest : public ::testing::TestWithParam<SplitCase> {};

TEST_P(SplitGrossTest, RoundsNetOnceAndKeepsTheSum) {
  ASSERT_OK_AND_ASSIGN(const Decimal rate, Decimal::Parse(GetParam().rate));

  ASSERT_OK_AND_ASSIGN(const VatSplit split, SplitGross(Money(kEur, GetParam().gross), rate));

  EXPECT_EQ(split.net.minor(), GetParam().net);
  EXPECT_EQ(split.vat.minor(), GetParam().vat);
}

INSTANTIATE_TEST_SUITE_P(Table, SplitGrossTest,
                         ::testing::Values(SplitCase{"Nineteen", 11900, "19.00", 10000, 1900},
                                           // Domain reference 1.4: 102.00 gross is 85.71 net.
                                           SplitCase{"Rounded", 10200, "19.00", 8571, 1629},
                                           SplitCase{"Sixteen", 11600, "16", 10000, 1600},
                                           SplitCase{"WithoutVat", 4999, "0", 4999, 0},
                                           // 0.03 / 1.2 = 0.025: half goes away from zero.
                                           SplitCase{"HalfGoesUp", 3, "20", 3, 0},
                                           SplitCase{"OneCent", 1, "19", 1, 0},
                                           SplitCase{"Largest", 99999999, "19", 84033613, 15966386},
                                           SplitCase{"Hundred", 200, "100", 100, 100}),
                         [](const auto& param_info) { return param_info.param.name; });

TEST(SplitGross, RefusesPricesThatAreNotPositive) {
  EXPECT_THAT(SplitGross(Money(kEur, 0), Decimal(19)),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PRICE_NOT_POSITIVE")));
  EXPECT_THAT(SplitGross(Money(kEur, -1), Decimal(19)),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PRICE_NOT_POSITIVE")));
}

TEST(SplitGross, RefusesRatesOutsideOfPercent) {
  EXPECT_THAT(SplitGross(Money(kEur, 100), Decimal(-1)),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("VAT_RATE_OUT_OF_RANGE")));
  EXPECT_THAT(SplitGross(Money(kEur, 100), Decimal(101)),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("VAT_RATE_OUT_OF_RANGE")));
}

TEST(StandardVatRate, IsSixteenInTheSecondHalfOf2020Only) {
  EXPECT_EQ(StandardVatRate(absl::CivilDay(2020, 6, 30)), Decimal(19));
  EXPECT_EQ(StandardVatRate(absl::CivilDay(2020, 7, 1)), Decimal(16));
  EXPECT_EQ(StandardVatRate(absl::CivilDay(2020, 12, 31)), Decimal(16));
  EXPECT_EQ(StandardVatRate(absl::CivilDay(2021, 1, 1)), Decimal(19));
  EXPECT_EQ(StandardVatRate(std::nullopt), Decimal(19));
}

}  // namespace
}  // namespace lockstep::catalog
