#include "services/catalog/text.h"

#include "gtest/gtest.h"

namespace lockstep::catalog {
namespace {

TEST(SkuOf, KeepsAStyleCode) {
  EXPECT_EQ(SkuOf("DV0982-100", "Nike Dunk"), "DV0982-100");
  EXPECT_EQ(SkuOf("  DV0982-100 ", "Nike Dunk"), "DV0982-100");
}

// printf '%s' 'LEGO Star Wars AT-TE Walker Set 75337' | sha256sum
TEST(SkuOf, HashesTheNameWhenTheStyleIsMissing) {
  const std::string name = "LEGO Star Wars AT-TE Walker Set 75337";
  const std::string want = "stockx-item-43de4870685c";

  EXPECT_EQ(SkuOf("N/A", name), want);
  EXPECT_EQ(SkuOf("n/a", name), want);
  EXPECT_EQ(SkuOf("", name), want);
  EXPECT_EQ(SkuOf(" nan ", name), want);
  EXPECT_EQ(SkuOf("None", name), want);
  EXPECT_EQ(SkuOf("NULL", name), want);
  EXPECT_EQ(SkuOf("N/A", "  LEGO  Star Wars AT-TE Walker\nSet 75337 "), want);
  EXPECT_NE(SkuOf("N/A", "LEGO Star Wars AT-TE Walker Set 75338"), want);
}

TEST(SlugOf, FollowsTheRule) {
  EXPECT_EQ(SlugOf("Foot Locker"), "foot-locker");
  EXPECT_EQ(SlugOf("Peek & Cloppenburg"), "peek-and-cloppenburg");
  EXPECT_EQ(SlugOf("Who?"), "who");
  EXPECT_EQ(SlugOf("  About   You "), "about-you");
}

TEST(IsStrictSlug, AllowsLowerCaseDigitsAndHyphen) {
  EXPECT_TRUE(IsStrictSlug("stockx"));
  EXPECT_TRUE(IsStrictSlug("a-1"));
  EXPECT_FALSE(IsStrictSlug(""));
  EXPECT_FALSE(IsStrictSlug("StockX"));
  EXPECT_FALSE(IsStrictSlug("a_b"));
  EXPECT_FALSE(IsStrictSlug(std::string(101, 'a')));
}

TEST(CharacterCount, CountsCodePoints) {
  EXPECT_EQ(CharacterCount(""), 0);
  EXPECT_EQ(CharacterCount("abc"), 3);
  EXPECT_EQ(CharacterCount("M\xc3\xbcnchen"), 7);
  EXPECT_EQ(CharacterCount("\xf0\x9f\x91\x9f"), 1);
}

}  // namespace
}  // namespace lockstep::catalog
