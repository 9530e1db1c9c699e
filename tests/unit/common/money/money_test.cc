#include "common/money/money.h"

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::money {
namespace {

using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::ElementsAre;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr Rounding kHalfAway = Rounding::kHalfAwayFromZero;

constexpr Money Eur(std::int64_t cents) { return Money(kEur, cents); }
Decimal Dec(std::string_view text) { return Decimal::Parse(text).value(); }

TEST(Currency, KnowsTheMinorUnits) {
  const std::vector<std::pair<const char*, int>> digits = {
      {"EUR", 2}, {"USD", 2}, {"JPY", 0}, {"KWD", 3}, {"CLF", 4}, {"AED", 2}, {"ZWG", 2},
      {"ISK", 0}, {"TND", 3}, {"XPF", 0}, {"HUF", 2}, {"BHD", 3}, {"BIF", 0}, {"UYW", 4}};
  for (const auto& [code, want] : digits) {
    ASSERT_OK_AND_ASSIGN(const Currency currency, Currency::Parse(code));
    EXPECT_EQ(currency.minor_digits(), want) << code;
    EXPECT_EQ(currency.code(), code);
  }
}

TEST(Currency, ConstantsAgreeWithTheTable) {
  for (const Currency& constant : {kEur, kUsd, kGbp, kJpy}) {
    EXPECT_THAT(Currency::Parse(constant.code()), IsOkAndHolds(constant));
  }
}

TEST(Currency, RefusesUnknownCodes) {
  for (const char* code :
       {"", "EU", "eur", "EURO", "XXX", "XAU", "DEM", "E R", "AAA", "ZZZ", "R A"}) {
    EXPECT_THAT(Currency::Parse(code),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("CURRENCY_UNKNOWN")))
        << code;
  }
}

TEST(Money, ReadsAndWritesDecimalText) {
  EXPECT_THAT(ParseMoney("12.34", kEur), IsOkAndHolds(Eur(1234)));
  EXPECT_THAT(ParseMoney("-0.07", kEur), IsOkAndHolds(Eur(-7)));
  EXPECT_THAT(ParseMoney("5", "EUR"), IsOkAndHolds(Eur(500)));
  EXPECT_THAT(ParseMoney("12.3400", kEur), IsOkAndHolds(Eur(1234)));
  EXPECT_THAT(ParseMoney("1234", kJpy), IsOkAndHolds(Money(kJpy, 1234)));
  EXPECT_EQ(Eur(-1234).ToDecimalText(), "-12.34");
  EXPECT_EQ(Eur(5).ToDecimalText(), "0.05");
  EXPECT_EQ(Money(kJpy, -1234).ToDecimalText(), "-1234");
  EXPECT_EQ(ParseMoney("1.5", "KWD")->ToDecimalText(), "1.500");
  EXPECT_EQ(Eur(kMin).ToDecimalText(), "-92233720368547758.08");
}

TEST(Money, RefusesWhatIsNotAnAmount) {
  EXPECT_THAT(ParseMoney("12.345", kEur),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("AMOUNT_TOO_FINE")));
  EXPECT_THAT(ParseMoney("1.0", "JPY"), IsOkAndHolds(Money(kJpy, 1)));
  EXPECT_THAT(ParseMoney("1.5", "JPY"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("AMOUNT_TOO_FINE")));
  EXPECT_THAT(ParseMoney("1e2", kEur),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("DECIMAL_MALFORMED")));
  EXPECT_THAT(ParseMoney("1", "eur"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("CURRENCY_UNKNOWN")));
  EXPECT_THAT(ParseMoney("92233720368547758.08", kEur),
              StatusIs(absl::StatusCode::kOutOfRange, Reason("MONEY_OVERFLOW")));
  EXPECT_THAT(ParseMoney(std::string(30, '9'), kEur),
              StatusIs(absl::StatusCode::kOutOfRange, Reason("MONEY_OVERFLOW")));
}

TEST(Money, AddsAndSubtracts) {
  EXPECT_THAT(Add(Eur(1), Eur(2)), IsOkAndHolds(Eur(3)));
  EXPECT_THAT(Subtract(Eur(1), Eur(2)), IsOkAndHolds(Eur(-1)));
  EXPECT_THAT(Negate(Eur(5)), IsOkAndHolds(Eur(-5)));
  EXPECT_THAT(Compare(Eur(1), Eur(2)), IsOkAndHolds(std::strong_ordering::less));
}

TEST(Money, RefusesOverflow) {
  const auto overflow = StatusIs(absl::StatusCode::kOutOfRange, Reason("MONEY_OVERFLOW"));
  EXPECT_THAT(Add(Eur(kMax), Eur(1)), overflow);
  EXPECT_THAT(Subtract(Eur(kMin), Eur(1)), overflow);
  EXPECT_THAT(Negate(Eur(kMin)), overflow);
  EXPECT_THAT(Multiply(Eur(kMax), Dec("1.01"), kHalfAway), overflow);
  EXPECT_THAT(Multiply(Eur(kMax), Dec(std::string(30, '9')), kHalfAway), overflow);
  EXPECT_THAT(Divide(Eur(kMax), Dec("0.01"), kHalfAway), overflow);
}

TEST(Money, RefusesMixedCurrencies) {
  const auto mismatch = StatusIs(absl::StatusCode::kInvalidArgument, Reason("CURRENCY_MISMATCH"));
  const Money usd(kUsd, 1);
  EXPECT_THAT(Add(Eur(1), usd), mismatch);
  EXPECT_THAT(Subtract(Eur(1), usd), mismatch);
  EXPECT_THAT(Compare(Eur(1), usd), mismatch);
  EXPECT_FALSE(Eur(1) == usd);
}

struct ShareCase {
  std::int64_t cents;
  std::int64_t basis_points;
  std::int64_t want;
};

TEST(Money, TakesSharesHalfAwayFromZero) {
  for (const ShareCase& test : {ShareCase{10'000, 950, 950},
                                {49, 100, 0},
                                {50, 100, 1},
                                {-50, 100, -1},
                                {-49, 100, 0},
                                {kMax, 10'000, kMax},
                                {kMin, 10'000, kMin}}) {
    EXPECT_THAT(Multiply(Eur(test.cents), BasisPoints(test.basis_points), kHalfAway),
                IsOkAndHolds(Eur(test.want)))
        << test.cents;
  }
}

TEST(Money, MultipliesAndDividesByDecimals) {
  EXPECT_THAT(Multiply(Eur(1000), Dec("0.1905"), kHalfAway), IsOkAndHolds(Eur(191)));
  EXPECT_THAT(Divide(Eur(5593), Dec("1.19"), kHalfAway), IsOkAndHolds(Eur(4700)));
  EXPECT_THAT(Divide(Eur(-1), Dec("2"), kHalfAway), IsOkAndHolds(Eur(-1)));
  EXPECT_THAT(Divide(Eur(1), Dec("0"), kHalfAway),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("DIVISION_BY_ZERO")));
  EXPECT_THAT(RoundDecimal(Dec("2.005"), kEur, kHalfAway), IsOkAndHolds(Eur(201)));
}

TEST(MoneyAllocate, GivesTheRestToTheLargestFractions) {
  const std::vector<std::int64_t> thirds{1, 1, 1};
  EXPECT_THAT(Allocate(Eur(100), thirds), IsOkAndHolds(ElementsAre(Eur(34), Eur(33), Eur(33))));
  EXPECT_THAT(Allocate(Eur(-100), thirds), IsOkAndHolds(ElementsAre(Eur(-34), Eur(-33), Eur(-33))));
  const std::vector<std::int64_t> uneven{50, 30, 20, 0};
  EXPECT_THAT(Allocate(Eur(101), uneven),
              IsOkAndHolds(ElementsAre(Eur(51), Eur(30), Eur(20), Eur(0))));
  EXPECT_THAT(Allocate(Eur(0), uneven), IsOkAndHolds(ElementsAre(Eur(0), Eur(0), Eur(0), Eur(0))));
  const std::vector<std::int64_t> huge{kMax, kMax};
  EXPECT_THAT(Allocate(Eur(kMin), huge), IsOkAndHolds(ElementsAre(Eur(kMin / 2), Eur(kMin / 2))));
}

TEST(MoneyAllocate, RefusesWeightsThatSayNothing) {
  for (const std::vector<std::int64_t>& weights :
       {std::vector<std::int64_t>{}, {0, 0}, {5, -1}, {-1, 5}}) {
    EXPECT_THAT(Allocate(Eur(100), weights),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("WEIGHTS_INVALID")));
  }
}

TEST(MoneyAllocate, NeverLosesACent) {
  std::mt19937_64 random(4711);
  std::uniform_int_distribution<std::int64_t> totals(-10'000'000, 10'000'000);
  std::uniform_int_distribution<std::int64_t> weight(0, 1000);
  std::uniform_int_distribution<std::size_t> size(1, 12);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::int64_t> weights(size(random));
    std::int64_t weight_sum = 0;
    for (std::int64_t& entry : weights) weight_sum += entry = weight(random);
    if (weight_sum == 0) weights[0] = weight_sum = 1;
    const std::int64_t total = totals(random);

    ASSERT_OK_AND_ASSIGN(const std::vector<Money> parts, Allocate(Eur(total), weights));

    std::int64_t sum = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      sum += parts[i].minor();
      // Less than one cent from the exact share: |part * sum - total * weight| < sum.
      const std::int64_t distance = parts[i].minor() * weight_sum - total * weights[i];
      EXPECT_LT(distance < 0 ? -distance : distance, weight_sum);
    }
    EXPECT_EQ(sum, total);
  }
}

}  // namespace
}  // namespace lockstep::money
