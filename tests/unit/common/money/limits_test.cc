#include "common/money/limits.h"

#include <string>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::money {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::StatusIs;

struct AmountCase {
  const char* text;
  const char* currency;
  AmountSign sign;
  const char* want;  // reason, "" when the amount is fine
};

TEST(AmountLimits, FollowTheDomain) {
  constexpr AmountSign kPlus = AmountSign::kNotNegative;
  constexpr AmountSign kAny = AmountSign::kAny;
  for (const AmountCase& test : {AmountCase{"0", "EUR", kPlus, ""},
                                 {"999999.99", "EUR", kPlus, ""},
                                 {"1000000.00", "EUR", kPlus, "AMOUNT_OUT_OF_RANGE"},
                                 {"-0.01", "EUR", kPlus, "AMOUNT_NEGATIVE"},
                                 {"-0.01", "EUR", kAny, ""},
                                 {"-999999.99", "EUR", kAny, ""},
                                 {"-1000000", "EUR", kAny, "AMOUNT_OUT_OF_RANGE"},
                                 {"999999", "JPY", kPlus, ""},
                                 {"1000000", "JPY", kPlus, "AMOUNT_OUT_OF_RANGE"},
                                 {"1.250", "KWD", kPlus, ""},
                                 {"1.255", "KWD", kPlus, "AMOUNT_TOO_FINE"}}) {
    const absl::Status status =
        CheckAmount(*ParseMoney(test.text, test.currency), "fee", test.sign);
    EXPECT_EQ(ReasonOf(status), test.want) << test.text;
    if (status.ok()) continue;
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasField("fee")));
  }
}

TEST(AmountLimits, FollowTheColumn) {
  const auto reason = [](const char* text, const NumericType& type) {
    return ReasonOf(CheckNumeric(Decimal::Parse(text).value(), type, "roi"));
  };
  EXPECT_EQ(reason("99999999.99", kNumeric10_2), "");
  EXPECT_EQ(reason("-99999999.99", kNumeric10_2), "");
  EXPECT_EQ(reason("100000000", kNumeric10_2), "AMOUNT_OUT_OF_RANGE");
  EXPECT_EQ(reason("-100000000", kNumeric10_2), "AMOUNT_OUT_OF_RANGE");
  EXPECT_EQ(reason("100000000", kNumeric12_2), "");
  EXPECT_EQ(reason("1.001", kNumeric10_2), "AMOUNT_TOO_FINE");
  EXPECT_EQ(reason("999999999999999999999999999999", kNumeric12_2), "AMOUNT_OUT_OF_RANGE");
  EXPECT_EQ(ReasonOf(CheckNumeric(Money(kEur, 10'000'000'000), kNumeric10_2, "total")),
            "AMOUNT_OUT_OF_RANGE");
}

}  // namespace
}  // namespace lockstep::money
