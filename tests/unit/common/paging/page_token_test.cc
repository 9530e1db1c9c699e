#include "common/paging/page_token.h"

#include <string>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::paging {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;

const std::string kSecret(32, 's');
const std::string kOtherSecret(32, 'o');

MATCHER(IsRefused, "is refused as PAGE_TOKEN_INVALID") {
  return ::testing::ExplainMatchResult(
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(Reason("PAGE_TOKEN_INVALID"), HasField("page_token"))),
      arg, result_listener);
}

TEST(PageToken, BringsTheValuesBack) {
  const TokenSigner signer({kSecret});
  const PageKey keys[] = {{},
                          {std::nullopt},
                          {""},
                          {"2024-01-01 00:00:00+00", std::nullopt, std::string("\0\xff;", 3)},
                          {std::string(5000, 'x')}};

  for (const PageKey& key : keys) {
    EXPECT_THAT(signer.Verify("query", signer.Sign("query", key)), IsOkAndHolds(key));
  }
}

TEST(PageToken, IsSafeInUrls) {
  const TokenSigner signer({kSecret});

  EXPECT_EQ(signer.Sign("q", {"\xff\xfe\xfd\xfc"}).find_first_of("+/= "), std::string::npos);
}

TEST(PageToken, IsBoundToItsQuery) {
  const TokenSigner signer({kSecret});

  EXPECT_THAT(signer.Verify("another query", signer.Sign("query", {"1"})), IsRefused());
}

TEST(PageToken, OfAnotherKeyIsRefused) {
  const TokenSigner signer({kSecret});

  EXPECT_THAT(signer.Verify("query", TokenSigner({kOtherSecret}).Sign("query", {"1"})),
              IsRefused());
}

TEST(PageToken, OfAnOlderKeyIsAccepted) {
  const TokenSigner rotated({kOtherSecret, kSecret});

  EXPECT_OK(rotated.Verify("query", TokenSigner({kSecret}).Sign("query", {"1"})));
  EXPECT_OK(TokenSigner({kOtherSecret}).Verify("query", rotated.Sign("query", {"1"})));
}

TEST(PageToken, WithAnyCharacterChangedIsRefused) {
  const TokenSigner signer({kSecret});
  const std::string token = signer.Sign("query", {"12", std::nullopt});

  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char c : {'A', 'B', 'Q', 'g', '_', '=', '\0'}) {
      std::string changed = token;
      if (changed[i] == c) continue;
      changed[i] = c;
      EXPECT_THAT(signer.Verify("query", changed), IsRefused()) << changed;
    }
  }
}

TEST(PageToken, ThatIsCutOrPaddedIsRefused) {
  const TokenSigner signer({kSecret});
  const std::string token = signer.Sign("query", {"12"});

  for (std::size_t i = 0; i < token.size(); ++i) {
    EXPECT_THAT(signer.Verify("query", token.substr(0, i)), IsRefused());
  }
  EXPECT_THAT(signer.Verify("query", token + "="), IsRefused());
  EXPECT_THAT(signer.Verify("query", token + "A"), IsRefused());
  EXPECT_THAT(signer.Verify("query", std::string(1 << 20, 'A')), IsRefused());
  EXPECT_THAT(signer.Verify("query", "50"), IsRefused());
}

TEST(PageTokenDeathTest, WithoutAProperSecretEndsTheProcess) {
  EXPECT_DEATH(TokenSigner({}), "");
  EXPECT_DEATH(TokenSigner({"short"}), "");
}

}  // namespace
}  // namespace lockstep::paging
