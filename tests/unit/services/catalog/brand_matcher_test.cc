#include "services/catalog/brand_matcher.h"

#include "gtest/gtest.h"

namespace lockstep::catalog {
namespace {

BrandPattern Regex(const char* brand, const char* pattern, int priority = 100, int second = 0) {
  return {brand, true, pattern, priority, absl::FromUnixSeconds(second)};
}

TEST(BrandMatcher, FindsTextWithoutRegardToCase) {
  const BrandMatcher matcher(
      {Regex("nike", "^nike\\b"), {"asics", false, "ASICS", 100, absl::UnixEpoch()}});

  EXPECT_EQ(matcher.Match("NIKE Dunk Low"), "nike");
  EXPECT_EQ(matcher.Match("Kith x Asics Gel-Lyte"), "asics");
  EXPECT_EQ(matcher.Match("Kith x Nike"), std::nullopt);
  EXPECT_EQ(matcher.Match(""), std::nullopt);
}

TEST(BrandMatcher, TakesTheLowestPriorityThenTheOldestPattern) {
  const BrandMatcher matcher({Regex("late", "dunk", 50, 2), Regex("early", "dunk", 50, 1),
                              Regex("last", "dunk", 100, 0), Regex("first", "dunk high", 10, 9)});

  EXPECT_EQ(matcher.Match("Dunk Low"), "early");
  EXPECT_EQ(matcher.Match("Dunk High"), "first");
}

TEST(BrandMatcher, SkipsPatternsThatCannotBeRead) {
  const BrandMatcher matcher({Regex("broken", "(nike", 1), Regex("nike", "nike", 2)});

  EXPECT_EQ(matcher.Match("Nike Dunk"), "nike");
}

TEST(BrandMatcher, TakesKeywordsLiterally) {
  const BrandMatcher matcher({{"dots", false, "a.b", 100, absl::UnixEpoch()}});

  EXPECT_EQ(matcher.Match("x A.B y"), "dots");
  EXPECT_EQ(matcher.Match("x acb y"), std::nullopt);
}

TEST(BrandMatcher, SaysWhatIsWrongWithARegularExpression) {
  std::string error;
  EXPECT_TRUE(BrandMatcher::IsValidRegex("^nike|jordan$", error));
  EXPECT_FALSE(BrandMatcher::IsValidRegex("(nike", error));
  EXPECT_FALSE(error.empty());
}

}  // namespace
}  // namespace lockstep::catalog
