#include "services/catalog/size.h"

#include <ostream>

#include "gtest/gtest.h"

namespace lockstep::catalog {

void PrintTo(const ParsedSize& size, std::ostream* out) {
  *out << size.region << " " << size.value << " (" << size.number.value_or("-") << ")";
}

namespace {

struct SizeCase {
  const char* text;
  const char* value;
  const char* region;
  const char* number;  // null: none
};

class ParseSizeTest : public ::testing::TestWithParam<SizeCase> {};

TEST_P(ParseSizeTest, ReadsTheTable) {
  const SizeCase& c = GetParam();
  const std::optional<std::string> number =
      c.number == nullptr ? std::nullopt : std::optional<std::string>(c.number);
  EXPECT_EQ(ParseSize(c.text), (ParsedSize{c.value, c.region, number}));
}

INSTANTIATE_TEST_SUITE_P(
    Table, ParseSizeTest,
    ::testing::Values(
        SizeCase{"7W", "7W", "US", "7.0"}, SizeCase{"10.5W", "10.5W", "US", "10.5"},
        SizeCase{"6C", "6C", "US", "6.0"}, SizeCase{"13C", "13C", "US", "13.0"},
        SizeCase{"4Y", "4Y", "US", "4.0"}, SizeCase{"5.5y", "5.5y", "US", "5.5"},
        SizeCase{"3J", "3J", "US", "3.0"}, SizeCase{"M", "M", "US", nullptr},
        SizeCase{"XXL", "XXL", "US", nullptr}, SizeCase{"2XL", "2XL", "US", nullptr},
        SizeCase{"S/M", "S/M", "US", nullptr}, SizeCase{"L/XL", "L/XL", "US", nullptr},
        SizeCase{"43", "43", "EU", "43.0"}, SizeCase{"35", "35", "EU", "35.0"},
        SizeCase{"42.5", "42.5", "EU", "42.5"}, SizeCase{"36/38", "36/38", "EU", nullptr},
        SizeCase{"34W/32L", "34W/32L", "US", nullptr}, SizeCase{"10.5", "10.5", "US", "10.5"},
        SizeCase{"15", "15", "US", "15.0"}, SizeCase{"12W / 10.5M", "12W / 10.5M", "US", "12.0"},
        SizeCase{"S / Men's 9-10", "S / Men's 9-10", "US", nullptr},
        SizeCase{"EU 42", "EU 42", "EU", "42.0"}, SizeCase{"UK 8.5", "UK 8.5", "UK", "8.5"},
        SizeCase{"US 9", "US 9", "US", "9.0"}, SizeCase{"US M 9", "US M 9", "US", "9.0"},
        SizeCase{"27 cm", "27 cm", "CM", "27.0"}, SizeCase{"KR 270", "KR 270", "KR", "270.0"},
        SizeCase{"JP 27", "JP 27", "JP", "27.0"}, SizeCase{"N/A", "One Size", "UNKNOWN", nullptr},
        SizeCase{"n/a", "One Size", "UNKNOWN", nullptr},
        SizeCase{"", "One Size", "UNKNOWN", nullptr},
        SizeCase{"nan", "One Size", "UNKNOWN", nullptr},
        SizeCase{"one size", "One Size", "UNKNOWN", nullptr},
        SizeCase{"Unknown", "Unknown", "UNKNOWN", nullptr},
        SizeCase{"28", "28", "UNKNOWN", nullptr}, SizeCase{"Queen", "Queen", "UNKNOWN", nullptr},
        SizeCase{"  7  W ", "7 W", "US", "7.0"}, SizeCase{"7W8", "7W8", "UNKNOWN", nullptr},
        SizeCase{"-5", "-5", "UNKNOWN", nullptr}, SizeCase{"9.55", "9.55", "UNKNOWN", nullptr}));

TEST(SizeNumber, IsTheNumberOfSizesThatHaveOne) {
  EXPECT_EQ(SizeNumber("42.5"), "42.5");
  EXPECT_EQ(SizeNumber("270"), "270.0");
  EXPECT_EQ(SizeNumber("7W"), "7.0");
  EXPECT_EQ(SizeNumber("M"), std::nullopt);
  EXPECT_EQ(SizeNumber("34W/32L"), std::nullopt);
  EXPECT_EQ(SizeNumber("1234"), std::nullopt);
}

}  // namespace
}  // namespace lockstep::catalog
