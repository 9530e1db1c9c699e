#include <string>

#include "common/filter/filter.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::filter {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;

struct ParseCase {
  const char* name;
  const char* text;
  const char* canonical;
};
class FilterParse : public ::testing::TestWithParam<ParseCase> {};

TEST_P(FilterParse, GivesTheTree) {
  ASSERT_OK_AND_ASSIGN(const Filter filter, Parse(GetParam().text));

  EXPECT_EQ(filter.CanonicalText(), GetParam().canonical);
}

INSTANTIATE_TEST_SUITE_P(
    Table, FilterParse,
    ::testing::Values(
        ParseCase{"Empty", "", ""}, ParseCase{"WhiteSpaceOnly", " \t\n", ""},
        ParseCase{"Comparison", "a=1", R"(a="1")"},
        ParseCase{"Spaces", "  a  <=  b  ", R"(a<="b")"},
        ParseCase{"NotEqual", "a != b", R"(a!="b")"}, ParseCase{"Less", "a < 1", R"(a<"1")"},
        ParseCase{"Greater", "a > -1.5", R"(a>"-1.5")"},
        ParseCase{"GreaterOrEqual", "a>=2", R"(a>="2")"}, ParseCase{"Presence", "a:*", "a:*"},
        ParseCase{"PresenceSpaced", "a : *", "a:*"},
        ParseCase{"DottedField", "order.total = 3", R"(order.total="3")"},
        ParseCase{"QuotesDoNotMatter", R"(a = "stockx")", R"(a="stockx")"},
        ParseCase{"SingleQuotes", R"(a = 'it"s')", R"(a="it\"s")"},
        ParseCase{"Escapes", R"(a = "\"\\\/\n\u00e9\u20AC")", "a=\"\\\"\\\\/\n\u00e9\u20ac\""},
        ParseCase{"KeywordInQuotes", R"(a = "AND")", R"(a="AND")"},
        ParseCase{"EmptyText", R"(a = "")", R"(a="")"},
        ParseCase{"ResourceName", "a = platforms/stockx", R"(a="platforms/stockx")"},
        ParseCase{"BareTime", "a > 2024-01-01T10:00:00+01:00", R"(a>"2024-01-01T10:00:00+01:00")"},
        ParseCase{"And", "a=1 AND b=2 AND c=3", R"((a="1" AND b="2" AND c="3"))"},
        ParseCase{"OrBindsTighterThanAnd", "a=1 AND b=2 OR c=3", R"((a="1" AND (b="2" OR c="3")))"},
        ParseCase{"OrFirst", "a=1 OR b=2 AND c=3", R"(((a="1" OR b="2") AND c="3"))"},
        ParseCase{"BracketsChangeIt", "(a=1 AND b=2) OR c=3", R"(((a="1" AND b="2") OR c="3"))"},
        ParseCase{"NeedlessBrackets", "((a=1))", R"(a="1")"},
        ParseCase{"Not", "NOT a=1", R"(NOT a="1")"}, ParseCase{"Minus", "-a=1", R"(NOT a="1")"},
        ParseCase{"NotBindsTightest", "NOT a=1 OR b=2", R"((NOT a="1" OR b="2"))"},
        ParseCase{"NotBrackets", "NOT(a=1 AND b:*)", R"(NOT (a="1" AND b:*))"},
        ParseCase{"MinusBrackets", "-(a=1)", R"(NOT a="1")"},
        ParseCase{"NotNot", "NOT (NOT a:*)", "NOT NOT a:*"},
        ParseCase{"FieldThatStartsLikeAKeyword", "NOTE = 1 AND ORDER = 2",
                  R"((NOTE="1" AND ORDER="2"))"}),
    [](const auto& the_case) { return the_case.param.name; });

struct SyntaxCase {
  const char* name;
  const char* text;
  const char* column;
};
class FilterSyntax : public ::testing::TestWithParam<SyntaxCase> {};

TEST_P(FilterSyntax, NamesTheColumn) {
  const auto filter = Parse(GetParam().text);

  ASSERT_THAT(filter, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(Reason("FILTER_SYNTAX"), HasField("filter"))));
  EXPECT_EQ(MetadataOf(filter.status(), "column"), GetParam().column) << filter.status();
}

INSTANTIATE_TEST_SUITE_P(
    Table, FilterSyntax,
    ::testing::Values(
        SyntaxCase{"FieldAlone", "a", "2"}, SyntaxCase{"NoValue", "a =", "4"},
        SyntaxCase{"NoField", "= 1", "1"}, SyntaxCase{"DoubleEquals", "a == 1", "4"},
        SyntaxCase{"Juxtaposition", "a = 1 b = 2", "7"},
        SyntaxCase{"LowerCaseAnd", "a = 1 and b = 2", "7"},
        SyntaxCase{"OpenEnd", "a = 1 AND", "10"}, SyntaxCase{"Unclosed", "b = 2 AND (a = 1", "11"},
        SyntaxCase{"Unopened", "a = 1)", "6"}, SyntaxCase{"EmptyBrackets", "()", "2"},
        SyntaxCase{"UnclosedQuote", "a = \"x", "5"},
        SyntaxCase{"UnknownEscape", R"(a = "x\q")", "7"},
        SyntaxCase{"ShortUnicodeEscape", R"(a = "\u12")", "6"},
        SyntaxCase{"NulEscape", R"(a = "\u0000")", "6"},
        SyntaxCase{"Surrogate", R"(a = "\uD800")", "6"}, SyntaxCase{"HasWithValue", "a:b", "3"},
        SyntaxCase{"Wildcard", "a = DZ*", "5"}, SyntaxCase{"KeywordAsValue", "a = NOT", "5"},
        SyntaxCase{"KeywordAsField", "AND = 1", "1"}, SyntaxCase{"QuotedField", R"("a" = 1)", "1"},
        SyntaxCase{"TrailingDot", "a. = 1", "3"}, SyntaxCase{"DoubleNot", "NOT NOT a = 1", "5"},
        SyntaxCase{"Function", "f(a) = 1", "2"},
        SyntaxCase{"Semicolon", "a = 1; DROP TABLE x", "8"},
        SyntaxCase{"ColumnsAreCharacters", "a = \"\u00e9\u00e9\" x", "10"}),
    [](const auto& the_case) { return the_case.param.name; });

TEST(FilterLimits, RefuseMoreThanFourKilobytes) {
  const std::string longest = "a = \"" + std::string(kMaxBytes - 6, 'x') + "\"";

  EXPECT_OK(Parse(longest));
  EXPECT_THAT(Parse(longest + " "),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("FILTER_TOO_LARGE"), HasField("filter"))));
}

TEST(FilterLimits, RefuseMoreThanFiftyBrackets) {
  const auto nested = [](int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += "NOT(";
    return text + "a=1" + std::string(static_cast<std::size_t>(depth), ')');
  };

  EXPECT_OK(Parse(nested(50)));
  const auto deep = Parse(nested(51));
  EXPECT_THAT(deep, StatusIs(absl::StatusCode::kInvalidArgument, Reason("FILTER_TOO_DEEP")));
  EXPECT_EQ(MetadataOf(deep.status(), "column"), "204");
}

TEST(FilterLimits, BracketsSideBySideDoNotAddUp) {
  std::string text = "(a=1)";
  for (int i = 0; i < 200; ++i) text += " OR (a=1)";

  EXPECT_OK(Parse(text));
}

TEST(FilterLimits, RefuseARawNul) {
  EXPECT_THAT(Parse(std::string("a = \"x\0y\"", 9)),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("FILTER_SYNTAX")));
}

TEST(FilterFieldNames, AreThoseThatOccur) {
  ASSERT_OK_AND_ASSIGN(const Filter filter, Parse("b:* AND (NOT a = 1 OR b = 2)"));

  EXPECT_THAT(filter.FieldNames(), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace lockstep::filter
