#include "tests/integration/services/catalog/catalog_server.h"

namespace lockstep::catalog {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::ElementsAre;

constexpr char kRequestId[] = "5a0f5b3e-6f0e-4d6a-9d57-6f7d0c1f0a01";

v1::CreatePlatformRequest NewPlatform() {
  v1::CreatePlatformRequest request;
  request.set_platform_id("laced");
  request.mutable_platform()->set_display_name("Laced");
  request.mutable_platform()->set_fee_percentage("12.5");
  return request;
}

TEST_F(CatalogTest, PlatformIsReadByItsSlug) {
  v1::GetPlatformRequest request;
  request.set_name("platforms/stockx");

  ASSERT_OK_AND_ASSIGN(const v1::Platform platform,
                       Call(platforms_, &Platforms::GetPlatform, request));

  EXPECT_EQ(platform.name(), "platforms/stockx");
  EXPECT_EQ(platform.display_name(), "StockX");
  EXPECT_EQ(platform.fee_percentage(), "9.50");
  EXPECT_TRUE(platform.active());
  EXPECT_FALSE(platform.etag().empty());
}

TEST_F(CatalogTest, PlatformErrorsNameWhatIsWrong) {
  v1::GetPlatformRequest request;
  request.set_name("platforms/none");
  EXPECT_THAT(Call(platforms_, &Platforms::GetPlatform, request),
              StatusIs(absl::StatusCode::kNotFound, Reason("PLATFORM_NOT_FOUND")));
  request.set_name("stockx");
  EXPECT_THAT(Call(platforms_, &Platforms::GetPlatform, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("name")));

  v1::CreatePlatformRequest create = NewPlatform();
  create.mutable_platform()->set_fee_percentage("100.01");
  create.mutable_platform()->set_display_name(std::string(101, 'x'));
  const auto refused = Call(platforms_, &Platforms::CreatePlatform, create);
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("platform.fee_percentage")));
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("platform.display_name")));
  create = NewPlatform();
  create.mutable_platform()->set_fee_percentage("9.505");
  EXPECT_THAT(Call(platforms_, &Platforms::CreatePlatform, create),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("NUMBER_TOO_FINE")));
  create = NewPlatform();
  create.set_platform_id("Laced");
  EXPECT_THAT(Call(platforms_, &Platforms::CreatePlatform, create),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("SLUG_MALFORMED")));
  create = NewPlatform();
  create.set_platform_id("stockx");
  EXPECT_THAT(Call(platforms_, &Platforms::CreatePlatform, create),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("PLATFORM_TAKEN")));
}

TEST_F(CatalogTest, PlatformTextsWithNulAreRefused) {
  v1::CreatePlatformRequest request = NewPlatform();
  request.mutable_platform()->set_display_name(std::string("La\0ced", 6));

  EXPECT_THAT(Call(platforms_, &Platforms::CreatePlatform, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("platform.display_name")));
}

TEST_F(CatalogTest, PlatformIsCreatedOncePerRequestId) {
  v1::CreatePlatformRequest request = NewPlatform();
  request.set_request_id(kRequestId);

  ASSERT_OK_AND_ASSIGN(const v1::Platform first,
                       Call(platforms_, &Platforms::CreatePlatform, request));
  ASSERT_OK_AND_ASSIGN(const v1::Platform again,
                       Call(platforms_, &Platforms::CreatePlatform, request));

  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());
  EXPECT_EQ(first.fee_percentage(), "12.50");
  EXPECT_TRUE(first.supports_fees());
  request.mutable_platform()->set_display_name("Other");
  EXPECT_THAT(Call(platforms_, &Platforms::CreatePlatform, request),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REQUEST_ID_REUSED")));
}

TEST_F(CatalogTest, PlatformUpdateFollowsMaskAndEtag) {
  ASSERT_OK_AND_ASSIGN(const v1::Platform created,
                       Call(platforms_, &Platforms::CreatePlatform, NewPlatform()));
  v1::UpdatePlatformRequest update;
  *update.mutable_platform() = created;
  update.mutable_platform()->set_display_name("Laced UK");
  update.mutable_platform()->clear_fee_percentage();
  update.mutable_platform()->set_active(false);
  update.mutable_update_mask()->add_paths("fee_percentage");
  update.mutable_update_mask()->add_paths("active");
  update.mutable_update_mask()->add_paths("created_at");

  ASSERT_OK_AND_ASSIGN(const v1::Platform changed,
                       Call(platforms_, &Platforms::UpdatePlatform, update));

  EXPECT_EQ(changed.display_name(), "Laced");
  EXPECT_FALSE(changed.has_fee_percentage());
  EXPECT_FALSE(changed.active());
  EXPECT_NE(changed.etag(), created.etag());
  EXPECT_THAT(Call(platforms_, &Platforms::UpdatePlatform, update),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
  // Without a mask: the fields that are set.
  update.clear_update_mask();
  update.mutable_platform()->clear_etag();
  update.mutable_platform()->clear_active();
  ASSERT_OK_AND_ASSIGN(const v1::Platform renamed,
                       Call(platforms_, &Platforms::UpdatePlatform, update));
  EXPECT_EQ(renamed.display_name(), "Laced UK");
  EXPECT_FALSE(renamed.active());
}

TEST_F(CatalogTest, PlatformUpdateRefusesUnknownPathsAndEmptyNames) {
  v1::UpdatePlatformRequest update;
  update.mutable_platform()->set_name("platforms/stockx");
  update.mutable_update_mask()->add_paths("fees");
  EXPECT_THAT(Call(platforms_, &Platforms::UpdatePlatform, update),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("UPDATE_MASK_INVALID")));
  update.mutable_update_mask()->clear_paths();
  update.mutable_update_mask()->add_paths("display_name");
  EXPECT_THAT(Call(platforms_, &Platforms::UpdatePlatform, update),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("platform.display_name")));
  update.mutable_platform()->set_display_name("eBay");
  EXPECT_THAT(Call(platforms_, &Platforms::UpdatePlatform, update),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("PLATFORM_TAKEN")));
  update.mutable_platform()->set_name("platforms/none");
  EXPECT_THAT(Call(platforms_, &Platforms::UpdatePlatform, update),
              StatusIs(absl::StatusCode::kNotFound, Reason("PLATFORM_NOT_FOUND")));
}

std::vector<std::string> Names(const v1::ListPlatformsResponse& page) {
  std::vector<std::string> names;
  for (const v1::Platform& platform : page.platforms()) names.push_back(platform.display_name());
  return names;
}

TEST_F(CatalogTest, PlatformsPageInTheOrderAskedFor) {
  v1::ListPlatformsRequest request;
  request.set_page_size(2);
  request.set_order_by("display_name desc");

  ASSERT_OK_AND_ASSIGN(const auto first, Call(platforms_, &Platforms::ListPlatforms, request));
  request.set_page_token(first.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto second, Call(platforms_, &Platforms::ListPlatforms, request));
  request.set_page_token(second.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto third, Call(platforms_, &Platforms::ListPlatforms, request));

  EXPECT_THAT(Names(first), ElementsAre("eBay", "StockX"));
  EXPECT_THAT(Names(second), ElementsAre("Grailed", "GOAT"));
  EXPECT_THAT(Names(third), ElementsAre("Alias"));
  EXPECT_EQ(third.next_page_token(), "");
  request.set_filter("active = true");
  EXPECT_THAT(Call(platforms_, &Platforms::ListPlatforms, request),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PAGE_TOKEN_INVALID")));
}

TEST_F(CatalogTest, PlatformsAreFiltered) {
  v1::ListPlatformsRequest request;
  request.set_filter("fee_percentage >= 9.5 AND NOT platform = \"platforms/ebay\"");
  ASSERT_OK_AND_ASSIGN(const auto page, Call(platforms_, &Platforms::ListPlatforms, request));
  EXPECT_THAT(Names(page), ElementsAre("GOAT", "StockX"));

  request.set_filter("colour = 1");
  EXPECT_THAT(Call(platforms_, &Platforms::ListPlatforms, request),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("FILTER_FIELD_UNKNOWN")));
  request.set_filter("");
  request.set_page_size(-1);
  EXPECT_THAT(Call(platforms_, &Platforms::ListPlatforms, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("page_size")));
}

}  // namespace
}  // namespace lockstep::catalog
