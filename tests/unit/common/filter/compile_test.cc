#include <optional>
#include <string>
#include <vector>

#include "common/filter/filter.h"
#include "common/status/macros.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::filter {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;

absl::StatusOr<std::string> NoSuchPlatform(std::string_view value) {
  if (value == "nowhere") {
    return InvalidField("platform", "PLATFORM_UNKNOWN", "there is no such platform");
  }
  return StripCollection("platforms")(value);
}

std::vector<Field> Fields() {
  return {
      {.name = "platform", .sql = "p.slug", .normalise = NoSuchPlatform},
      {.name = "status",
       .sql = "o.status",
       .type = Type::kEnum,
       .values = {"pending", "shipped"},
       .normalise = EnumName("ORDER_STATUS")},
      {.name = "sold_at", .sql = "o.sold_at", .type = Type::kTime},
      {.name = "expense_date", .sql = "e.expense_date", .type = Type::kDate},
      {.name = "gross_sale", .sql = "o.gross_sale", .type = Type::kDecimal},
      {.name = "quantity", .sql = "o.quantity", .type = Type::kInteger},
      {.name = "paid", .sql = "o.paid", .type = Type::kBool},
      {.name = "item",
       .sql = "o.item_id",
       .type = Type::kUuid,
       .normalise = StripCollection("inventoryItems")},
  };
}

absl::StatusOr<Condition> CompileText(std::string_view text, int first_parameter = 1) {
  ASSIGN_OR_RETURN(const Filter filter, Parse(text));
  return Compile(filter, Fields(), first_parameter);
}

std::string ParamTexts(const Condition& condition) {
  std::string text;
  for (const pg::Param& param : condition.params) text += "[" + param.text().value_or("NULL") + "]";
  return text;
}

struct CompileCase {
  const char* name;
  const char* text;
  const char* sql;
  const char* params;
};
class FilterCompile : public ::testing::TestWithParam<CompileCase> {};

TEST_P(FilterCompile, GivesSqlWithParameters) {
  ASSERT_OK_AND_ASSIGN(const Condition condition, CompileText(GetParam().text));

  EXPECT_EQ(condition.sql, GetParam().sql);
  EXPECT_EQ(ParamTexts(condition), GetParam().params);
}

INSTANTIATE_TEST_SUITE_P(
    Table, FilterCompile,
    ::testing::Values(
        CompileCase{"Empty", "", "TRUE", ""},
        CompileCase{"Text", "platform = stockx", "((p.slug) = $1::text)", "[stockx]"},
        CompileCase{"TextIsNeverSql", R"(platform = "'; DROP TABLE x --")", "((p.slug) = $1::text)",
                    "['; DROP TABLE x --]"},
        CompileCase{"TextOrder", "platform < m", R"(((p.slug) COLLATE "C" < $1::text))", "[m]"},
        CompileCase{"ResourceName", "platform = \"platforms/stockx\"", "((p.slug) = $1::text)",
                    "[stockx]"},
        CompileCase{"EnumByColumnValue", "status != shipped", "((o.status) <> $1::text)",
                    "[shipped]"},
        CompileCase{"EnumByProtoName", "status = ORDER_STATUS_SHIPPED", "((o.status) = $1::text)",
                    "[shipped]"},
        CompileCase{"EnumByShortName", "status = SHIPPED", "((o.status) = $1::text)", "[shipped]"},
        CompileCase{"Decimal", "gross_sale >= -10.50", "((o.gross_sale) >= $1::numeric)",
                    "[-10.50]"},
        CompileCase{"Integer", "quantity > 9223372036854775807", "((o.quantity) > $1::bigint)",
                    "[9223372036854775807]"},
        CompileCase{"Bool", "paid = true", "((o.paid) = $1::boolean)", "[true]"},
        CompileCase{"Uuid", "item = inventoryItems/7F3C0000-0000-4000-8000-00000000ABCD",
                    "((o.item_id) = $1::uuid)", "[7f3c0000-0000-4000-8000-00000000abcd]"},
        CompileCase{"Date", "expense_date <= 2024-02-29", "((e.expense_date) <= $1::date)",
                    "[2024-02-29]"},
        CompileCase{"Presence", "paid:*", "((o.paid) IS NOT NULL)", ""},
        CompileCase{"NotIsTwoValued", "NOT paid = true", "(((o.paid) = $1::boolean) IS NOT TRUE)",
                    "[true]"},
        CompileCase{"Chains", "paid:* AND quantity = 1 OR quantity = 2",
                    "(((o.paid) IS NOT NULL) AND (((o.quantity) = $1::bigint) OR ((o.quantity) = "
                    "$2::bigint)))",
                    "[1][2]"},
        CompileCase{"TimeWithOffset", "sold_at > \"2024-01-01T01:00:00.1234567+01:00\"",
                    "((o.sold_at) > $1::timestamptz)", "[2024-01-01 00:00:00.123456+00]"},
        CompileCase{"TimeLowerCase", "sold_at > 2024-01-01t00:00:00z",
                    "((o.sold_at) > $1::timestamptz)", "[2024-01-01 00:00:00.000000+00]"},
        CompileCase{"DayEqual", "sold_at = 2024-02-29",
                    "(((o.sold_at) >= $1::timestamptz) AND ((o.sold_at) < $2::timestamptz))",
                    "[2024-02-29 00:00:00.000000+00][2024-03-01 00:00:00.000000+00]"},
        CompileCase{"DayNotEqual", "sold_at != 2024-02-29",
                    "(((o.sold_at) < $1::timestamptz) OR ((o.sold_at) >= $2::timestamptz))",
                    "[2024-02-29 00:00:00.000000+00][2024-03-01 00:00:00.000000+00]"},
        CompileCase{"DayBefore", "sold_at < 2024-02-29", "((o.sold_at) < $1::timestamptz)",
                    "[2024-02-29 00:00:00.000000+00]"},
        CompileCase{"DayUntilItsEnd", "sold_at <= 2024-02-29", "((o.sold_at) < $1::timestamptz)",
                    "[2024-03-01 00:00:00.000000+00]"},
        CompileCase{"DayAfter", "sold_at > 2024-02-29", "((o.sold_at) >= $1::timestamptz)",
                    "[2024-03-01 00:00:00.000000+00]"},
        CompileCase{"DayFromItsStart", "sold_at >= 2024-02-29", "((o.sold_at) >= $1::timestamptz)",
                    "[2024-02-29 00:00:00.000000+00]"},
        CompileCase{"LastDay", "sold_at <= 9999-12-31", "((o.sold_at) < $1::timestamptz)",
                    "[10000-01-01 00:00:00.000000+00]"}),
    [](const auto& the_case) { return the_case.param.name; });

TEST(FilterCompileNumbering, StartsWhereTheCallerSays) {
  ASSERT_OK_AND_ASSIGN(const Condition condition, CompileText("quantity = 1 AND paid = false", 7));

  EXPECT_EQ(condition.sql, "(((o.quantity) = $7::bigint) AND ((o.paid) = $8::boolean))");
}

struct ErrorCase {
  const char* name;
  const char* text;
  const char* reason;
  const char* column;
};
class FilterCompileError : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(FilterCompileError, HasReasonAndColumn) {
  const auto condition = CompileText(GetParam().text);

  ASSERT_THAT(condition, StatusIs(absl::StatusCode::kInvalidArgument,
                                  AllOf(Reason(GetParam().reason), HasField("filter"))));
  EXPECT_EQ(MetadataOf(condition.status(), "column"), GetParam().column);
}

INSTANTIATE_TEST_SUITE_P(
    Table, FilterCompileError,
    ::testing::Values(
        ErrorCase{"UnknownField", "paid = true AND colour = red", "FILTER_FIELD_UNKNOWN", "17"},
        ErrorCase{"UnknownPresence", "colour:*", "FILTER_FIELD_UNKNOWN", "1"},
        ErrorCase{"UnknownEnum", "status = lost", "FILTER_VALUE_UNKNOWN", "10"},
        ErrorCase{"NormaliserSpeaks", "platform = nowhere", "PLATFORM_UNKNOWN", "12"},
        ErrorCase{"EnumOrder", "status > pending", "FILTER_OPERATOR_UNSUPPORTED", "1"},
        ErrorCase{"BoolOrder", "paid <= true", "FILTER_OPERATOR_UNSUPPORTED", "1"},
        ErrorCase{"UuidOrder", "item > x", "FILTER_OPERATOR_UNSUPPORTED", "1"},
        ErrorCase{"BoolWord", "paid = yes", "FILTER_TYPE_MISMATCH", "8"},
        ErrorCase{"Uuid", "item = 12", "FILTER_TYPE_MISMATCH", "8"},
        ErrorCase{"DecimalWord", "gross_sale > much", "FILTER_TYPE_MISMATCH", "14"},
        ErrorCase{"DecimalExponent", "gross_sale > 1e5", "FILTER_TYPE_MISMATCH", "14"},
        ErrorCase{"DecimalNan", "gross_sale > NaN", "FILTER_TYPE_MISMATCH", "14"},
        ErrorCase{"DecimalTwoPoints", "gross_sale > 1.2.3", "FILTER_TYPE_MISMATCH", "14"},
        ErrorCase{"DecimalOpenPoint", "gross_sale > 1.", "FILTER_TYPE_MISMATCH", "14"},
        ErrorCase{"TimeBeforeYear1", "sold_at >= 0001-01-01T00:00:00+01:00", "FILTER_TYPE_MISMATCH",
                  "12"},
        ErrorCase{"TimeAfterYear9999", "sold_at <= 9999-12-31T23:59:59-00:01",
                  "FILTER_TYPE_MISMATCH", "12"},
        ErrorCase{"IntegerFraction", "quantity = 1.0", "FILTER_TYPE_MISMATCH", "12"},
        ErrorCase{"IntegerRange", "quantity = 9223372036854775808", "FILTER_TYPE_MISMATCH", "12"},
        ErrorCase{"TimeWithoutOffset", "sold_at > 2024-01-01T00:00:00", "FILTER_TYPE_MISMATCH",
                  "11"},
        ErrorCase{"TimeNoSuchDay", "sold_at > 2023-02-29", "FILTER_TYPE_MISMATCH", "11"},
        ErrorCase{"TimeNoSuchHour", "sold_at > 2023-02-28T24:00:00Z", "FILTER_TYPE_MISMATCH", "11"},
        ErrorCase{"TimeOffsetRange", "sold_at > 2023-02-28T00:00:00+24:00", "FILTER_TYPE_MISMATCH",
                  "11"},
        ErrorCase{"TimeYearZero", "sold_at > 0000-01-01", "FILTER_TYPE_MISMATCH", "11"},
        ErrorCase{"TimeInfinity", "sold_at < infinite-future", "FILTER_TYPE_MISMATCH", "11"},
        ErrorCase{"DateWithTime", "expense_date = 2024-01-01T00:00:00Z", "FILTER_TYPE_MISMATCH",
                  "16"}),
    [](const auto& the_case) { return the_case.param.name; });

}  // namespace
}  // namespace lockstep::filter
