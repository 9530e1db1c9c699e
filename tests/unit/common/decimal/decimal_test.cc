#include "common/decimal/decimal.h"

#include <random>
#include <string>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::decimal {
namespace {

using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

constexpr Rounding kHalfAway = Rounding::kHalfAwayFromZero;

Decimal Dec(std::string_view text) { return Decimal::Parse(text).value(); }

std::string TextOf(const absl::StatusOr<Decimal>& value) {
  return value.ok() ? value->ToText() : ReasonOf(value.status());
}

struct ParseCase {
  const char* text;
  const char* want;
};

TEST(Decimal, ReadsAndWritesPlainText) {
  for (const ParseCase& test :
       {ParseCase{"0", "0"},
        {"-1234.50", "-1234.50"},
        {"0.05", "0.05"},
        {"-0.05", "-0.05"},
        {"007", "7"},
        {"-0.00", "0.00"},
        {"999999999999999999999999999999", "999999999999999999999999999999"},
        {"0.00000000000000000000000000001", "0.00000000000000000000000000001"}}) {
    EXPECT_EQ(TextOf(Decimal::Parse(test.text)), test.want) << test.text;
  }
}

TEST(Decimal, RefusesEverythingElse) {
  for (const std::string_view text :
       {"", "-", ".", ".5", "5.", "+1", "1e3", "1E3", "NaN", "Infinity", " 1", "1 ", "1,5", "1.2.3",
        "--1", "0x10", "1_000", "1-"}) {
    EXPECT_THAT(Decimal::Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("DECIMAL_MALFORMED")))
        << text;
  }
  EXPECT_THAT(Decimal::Parse(std::string(31, '1')),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("DECIMAL_TOO_LONG")));
  EXPECT_THAT(Decimal::Parse(std::string_view("1\0", 2)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Decimal, ComparesValuesNotTexts) {
  EXPECT_EQ(Dec("1.5"), Dec("1.50"));
  EXPECT_EQ(Dec("0.00"), Dec("-0"));
  EXPECT_LT(Dec("-1.51"), Dec("-1.5"));
  EXPECT_LT(Dec("-1"), Dec("0.01"));
  EXPECT_GT(Dec("999999999999999999999999999999"), Dec("0.00000000000000000000000000001"));
  EXPECT_LT(Dec("1.49999999999999999999999999999"), Dec("1.5"));
}

TEST(Decimal, AddsAndSubtractsExactly) {
  EXPECT_EQ(TextOf(Add(Dec("1.5"), Dec("2.25"))), "3.75");
  EXPECT_EQ(TextOf(Subtract(Dec("0.1"), Dec("0.30"))), "-0.20");
  EXPECT_EQ(TextOf(Add(Dec(std::string(30, '9')), Decimal(1))), "DECIMAL_OVERFLOW");
  EXPECT_EQ(TextOf(Add(Dec("100000000000000000000"), Dec("0.00000000001"))), "DECIMAL_OVERFLOW");
  EXPECT_EQ(TextOf(Add(Decimal(0), Dec("0.00000000000000000000000000001"))),
            "0.00000000000000000000000000001");
}

TEST(Decimal, MultipliesExactlyOrSaysThatItCannot) {
  EXPECT_EQ(TextOf(Multiply(Dec("1.10"), Dec("-2.5"))), "-2.750");
  EXPECT_EQ(TextOf(Multiply(Dec("999999999999999"), Dec("999999999999999"))),
            "999999999999998000000000000001");
  EXPECT_EQ(TextOf(Multiply(Dec("1000000000000000"), Dec("1000000000000000"))), "DECIMAL_OVERFLOW");
}

struct RoundCase {
  const char* value;
  int scale;
  const char* want;
};

TEST(Decimal, RoundsHalfAwayFromZeroOnce) {
  for (const RoundCase& test : {RoundCase{"0.5", 0, "1"},
                                {"-0.5", 0, "-1"},
                                {"0.49", 0, "0"},
                                {"2.5", 0, "3"},
                                {"1.005", 2, "1.01"},
                                {"-1.005", 2, "-1.01"},
                                // Rounding twice (to 2, then to 1) would give 0.5.
                                {"0.4499", 1, "0.4"},
                                {"0.4499", 2, "0.45"},
                                {"9.99", 1, "10.0"},
                                {"1.5", 4, "1.5000"},
                                {"0.00000000000000000000000000005", 0, "0"}}) {
    EXPECT_EQ(TextOf(Rescale(Dec(test.value), test.scale, kHalfAway)), test.want) << test.value;
  }
  EXPECT_EQ(TextOf(Rescale(Dec(std::string(30, '9')), 1, kHalfAway)), "DECIMAL_OVERFLOW");
  EXPECT_EQ(TextOf(Rescale(Decimal(1), 31, kHalfAway)), "DECIMAL_OVERFLOW");
  EXPECT_EQ(TextOf(Rescale(Decimal(1), -1, kHalfAway)), "DECIMAL_OVERFLOW");
}

TEST(Decimal, MultipliesLongNumbersWithOneRounding) {
  // 30 by 30 digits: the exact product has 60.
  const Decimal third = Dec("0.33333333333333333333333333333");
  EXPECT_EQ(TextOf(Multiply(third, Dec("0.50000000000000000000000000000"), 10, kHalfAway)),
            "0.1666666667");
  EXPECT_EQ(TextOf(Multiply(third, third, 29, kHalfAway)), "0.11111111111111111111111111111");
  EXPECT_EQ(TextOf(Multiply(Dec("0.00000000000000000000000000001"), Dec("0.1"), 0, kHalfAway)),
            "0");
}

struct DivideCase {
  const char* a;
  const char* b;
  int scale;
  const char* want;
};

TEST(Decimal, DividesWithOneRounding) {
  for (const DivideCase& test :
       {DivideCase{"1", "3", 4, "0.3333"},
        {"2", "3", 4, "0.6667"},
        {"-2", "3", 4, "-0.6667"},
        {"1", "8", 2, "0.13"},
        {"1", "-8", 2, "-0.13"},
        {"53.55", "1.19", 2, "45.00"},
        {"0", "7", 2, "0.00"},
        // Fewer digits wanted than the operands have.
        {"7.49999", "1", 0, "7"},
        {"7.50000", "1", 0, "8"},
        {"7.49999999999", "1.00001", 0, "7"},
        {"0.05", "1", 0, "0"},
        {"999999999999999999999999999999", "3", 0, "333333333333333333333333333333"},
        {"999999999999999999999999999999", "0.1", 0, "DECIMAL_OVERFLOW"},
        {"1", "0.00", 2, "DIVISION_BY_ZERO"}}) {
    EXPECT_EQ(TextOf(Divide(Dec(test.a), Dec(test.b), test.scale, kHalfAway)), test.want)
        << test.a << " / " << test.b;
  }
}

TEST(Decimal, FromUnscaledKeepsTheBounds) {
  EXPECT_EQ(TextOf(Decimal::FromUnscaled(-1234, 2)), "-12.34");
  EXPECT_EQ(TextOf(Decimal::FromUnscaled(1, 30)), "0.000000000000000000000000000001");
  EXPECT_EQ(TextOf(Decimal::FromUnscaled(1, 31)), "DECIMAL_OVERFLOW");
  EXPECT_EQ(TextOf(Decimal::FromUnscaled(Dec(std::string(30, '9')).unscaled() + 1, 0)),
            "DECIMAL_OVERFLOW");
}

// Against plain 64-bit arithmetic, where that is exact.
TEST(Decimal, AgreesWithIntegersOnRandomValues) {
  std::mt19937_64 random(20240131);
  std::uniform_int_distribution<std::int64_t> numbers(-3'000'000'000, 3'000'000'000);
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t x = numbers(random);
    std::int64_t y = numbers(random);
    if (y == 0) y = 1;
    const Decimal a = *Decimal::FromUnscaled(x, 2);
    const Decimal b = *Decimal::FromUnscaled(y, 3);

    EXPECT_THAT(Multiply(a, b), IsOkAndHolds(*Decimal::FromUnscaled(Int128{x} * y, 5)));
    EXPECT_THAT(Add(a, b), IsOkAndHolds(*Decimal::FromUnscaled(Int128{x} * 10 + y, 3)));
    EXPECT_EQ(Subtract(a, b)->sign(), (a <=> b) < 0 ? -1 : ((a <=> b) > 0 ? 1 : 0));
    // |quotient - exact| <= half a unit: 2 * |x - q * y| <= |y|, all in the same unit.
    const Decimal quotient = *Divide(Decimal(x), Decimal(y), 0, kHalfAway);
    const Int128 rest = Int128{x} - quotient.unscaled() * y;
    EXPECT_LE(2 * (rest < 0 ? -rest : rest), y < 0 ? -Int128{y} : Int128{y});
    EXPECT_THAT(Decimal::Parse(a.ToText()), IsOkAndHolds(a));
  }
}

}  // namespace
}  // namespace lockstep::decimal
