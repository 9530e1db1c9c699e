#include "services/orders/order_proto.h"

#include "common/status/testing.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

pb::UpdateOrderRequest Parse(const std::string& json) {
  pb::UpdateOrderRequest request;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &request).ok()) << json;
  return request;
}

TEST(OrderStatusProto, FollowsTheDomain) {
  for (int i = 0; i < kOrderStatusCount; ++i) {
    const auto status = static_cast<OrderStatus>(i);
    std::string name = pb::OrderStatus_Name(ToProto(status));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    EXPECT_EQ(name, "order_status_" + std::string(ToText(status)));
    EXPECT_THAT(FromProto(ToProto(status), "status"), lockstep::testing::IsOkAndHolds(status));
  }
  EXPECT_THAT(FromProto(pb::ORDER_STATUS_UNSPECIFIED, "status"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("status")));
  EXPECT_THAT(FromProto(static_cast<pb::OrderStatus>(99), "status"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("status")));
}

TEST(PatchFromProto, EmptyMaskMeansTheFieldsThatAreSet) {
  ASSERT_OK_AND_ASSIGN(
      OrderPatch patch,
      PatchFromProto(Parse(R"({"order": {"name": "orders/x", "notes": "n", "roi": "1.00",
                               "grossSale": {"currencyCode": "EUR", "units": "5"}}})")));
  EXPECT_EQ(patch.Paths(), (std::vector<std::string>{"gross_sale", "notes"}));
  EXPECT_EQ(**patch.gross_sale, Money(money::kEur, 500));
}

TEST(PatchFromProto, MaskClearsWhatIsNotSet) {
  ASSERT_OK_AND_ASSIGN(OrderPatch patch,
                       PatchFromProto(Parse(R"({"order": {}, "updateMask": "soldAt,notes"})")));
  ASSERT_EQ(patch.Paths(), (std::vector<std::string>{"sold_at", "notes"}));
  EXPECT_EQ(*patch.sold_at, std::nullopt);
  EXPECT_EQ(*patch.notes, std::nullopt);
}

TEST(PatchFromProto, IgnoresOutputOnlyAndRefusesUnknownAndFixedPaths) {
  ASSERT_OK_AND_ASSIGN(OrderPatch patch,
                       PatchFromProto(Parse(R"({"order": {}, "updateMask": "netProfit,status"})")));
  EXPECT_TRUE(patch.Paths().empty());
  EXPECT_THAT(PatchFromProto(Parse(R"({"order": {}, "updateMask": "colour"})")),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("FIELD_PATH_UNKNOWN")));
  EXPECT_THAT(PatchFromProto(Parse(R"({"order": {}, "updateMask": "externalId"})")),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("FIELD_IMMUTABLE")));
}

TEST(DraftFromProto, NamesTheBadField) {
  pb::Order order;
  order.set_platform("platforms/Stock X");
  EXPECT_THAT(DraftFromProto(order),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.platform")));
  order.set_platform("platforms/stockx");
  order.set_inventory_item("inventoryItems/7");
  EXPECT_THAT(DraftFromProto(order),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.inventory_item")));
  order.set_inventory_item("inventoryItems/" + ids::Uuid::Generate().text());
  order.mutable_gross_sale()->set_currency_code("EUR");
  order.mutable_gross_sale()->set_units(-1);
  EXPECT_THAT(DraftFromProto(order),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.gross_sale")));
  order.mutable_gross_sale()->set_units(1);
  order.mutable_shipping_cost()->set_currency_code("EUR");
  order.mutable_shipping_cost()->set_nanos(-70'000'000);
  EXPECT_OK(DraftFromProto(order));
}

TEST(ToProto, LeavesUnknownFiguresOut) {
  Order order;
  order.id = OrderId::Generate();
  order.platform_slug = "stockx";
  order.payout_received = std::nullopt;
  pb::Order message = ToProto(order);
  EXPECT_FALSE(message.has_gross_sale());
  EXPECT_FALSE(message.has_payout_received());
  EXPECT_FALSE(message.has_roi());
  order.payout_received = false;
  order.gross_sale = Money(money::kEur, 0);
  message = ToProto(order);
  EXPECT_TRUE(message.has_payout_received());
  EXPECT_TRUE(message.has_gross_sale());
}

}  // namespace
}  // namespace lockstep::orders
