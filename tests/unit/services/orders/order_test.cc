#include "services/orders/order.h"

#include <map>
#include <set>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using enum OrderStatus;

// The table "Order transitions", written out: everything that is not here is refused.
const std::map<OrderStatus, std::set<OrderStatus>> kAllowed = {
    {kPending, {kConfirmed, kCancelled}},
    {kConfirmed, {kShipped, kCancelled}},
    {kShipped, {kAuthenticating, kCancelled, kReturned, kDisputed}},
    {kAuthenticating, {kAuthenticated, kCancelled, kReturned, kDisputed}},
    {kAuthenticated, {kCompleted, kCancelled, kReturned, kDisputed}},
    {kCompleted, {kRefunded, kReturned, kDisputed}},
    {kCancelled, {}},
    {kReturned, {}},
    {kRefunded, {}},
    {kDisputed, {kCompleted, kRefunded, kCancelled}},
};
const std::map<OrderStatus, std::set<OrderStatus>> kImportAllowed = {
    {kPending,
     {kConfirmed, kShipped, kAuthenticating, kAuthenticated, kCompleted, kCancelled, kReturned,
      kRefunded, kDisputed}},
    {kConfirmed,
     {kShipped, kAuthenticating, kAuthenticated, kCompleted, kCancelled, kReturned, kRefunded,
      kDisputed}},
    {kShipped,
     {kAuthenticating, kAuthenticated, kCompleted, kCancelled, kReturned, kRefunded, kDisputed}},
    {kAuthenticating, {kAuthenticated, kCompleted, kCancelled, kReturned, kRefunded, kDisputed}},
    {kAuthenticated, {kCompleted, kCancelled, kReturned, kRefunded, kDisputed}},
    {kCompleted, {kReturned, kRefunded, kDisputed}},
    {kCancelled, {}},
    {kReturned, {}},
    {kRefunded, {}},
    {kDisputed, {kCompleted, kCancelled, kReturned, kRefunded}},
};

Order In(OrderStatus status) {
  Order order;
  order.id = OrderId::Generate();
  order.status = status;
  order.sold_at = absl::FromUnixSeconds(1'700'000'000);
  return order;
}

class Pairs : public ::testing::TestWithParam<std::tuple<int, int>> {
 protected:
  OrderStatus from_ = static_cast<OrderStatus>(std::get<0>(GetParam()));
  OrderStatus to_ = static_cast<OrderStatus>(std::get<1>(GetParam()));
};

TEST_P(Pairs, FollowTheTable) {
  const bool is_allowed = kAllowed.at(from_).contains(to_);
  EXPECT_EQ(CanFollow(from_, to_), is_allowed);
  const absl::StatusOr<Order> moved = Transition(In(from_), to_);
  if (is_allowed) {
    ASSERT_OK(moved);
    EXPECT_EQ(moved->status, to_);
  } else if (from_ == to_) {
    ASSERT_OK(moved);
    EXPECT_EQ(EffectOf(from_, to_, true), ItemEffect::kNone);
  } else {
    EXPECT_THAT(moved,
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         Reason(IsFinal(from_) ? "ORDER_STATUS_FINAL" : "TRANSITION_NOT_ALLOWED")));
  }
}

TEST_P(Pairs, ImportsJumpForwardNeverBack) {
  EXPECT_EQ(CanImportMove(from_, to_), kImportAllowed.at(from_).contains(to_));
  if (CanFollow(from_, to_)) {
    EXPECT_TRUE(CanImportMove(from_, to_));
  }
}

std::string PairName(const ::testing::TestParamInfo<std::tuple<int, int>>& pair) {
  return std::string(ToText(static_cast<OrderStatus>(std::get<0>(pair.param)))) + "_to_" +
         std::string(ToText(static_cast<OrderStatus>(std::get<1>(pair.param))));
}

INSTANTIATE_TEST_SUITE_P(All, Pairs,
                         ::testing::Combine(::testing::Range(0, kOrderStatusCount),
                                            ::testing::Range(0, kOrderStatusCount)),
                         PairName);

TEST(Transition, CompletingNeedsASaleTime) {
  Order order = In(kAuthenticated);
  order.sold_at.reset();
  EXPECT_THAT(Transition(order, kCompleted),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("SALE_TIME_MISSING")));
}

TEST(EffectOf, SellsAndReleasesItems) {
  EXPECT_EQ(EffectOf(kAuthenticated, kCompleted, false), ItemEffect::kSold);
  EXPECT_EQ(EffectOf(kDisputed, kCompleted, true), ItemEffect::kSold);
  EXPECT_EQ(EffectOf(kPending, kCancelled, false), ItemEffect::kReleased);
  EXPECT_EQ(EffectOf(kDisputed, kRefunded, false), ItemEffect::kReleased);
  EXPECT_EQ(EffectOf(kDisputed, kRefunded, true), ItemEffect::kReturned);
  EXPECT_EQ(EffectOf(kCompleted, kReturned, true), ItemEffect::kReturned);
  EXPECT_EQ(EffectOf(kCompleted, kDisputed, true), ItemEffect::kNone);
  EXPECT_EQ(EffectOf(kPending, kConfirmed, false), ItemEffect::kNone);
}

TEST(OrderStatusFromText, KnowsTheTenAndNoOther) {
  for (const std::string& text : OrderStatusTexts()) {
    ASSERT_OK_AND_ASSIGN(OrderStatus status, OrderStatusFromText(text));
    EXPECT_EQ(ToText(status), text);
  }
  for (const char* text : {"", "Sale completed", "COMPLETED", "canceled"}) {
    EXPECT_THAT(OrderStatusFromText(text), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(CheckEtag, ComparesUnlessEmpty) {
  Order order = In(kPending);
  order.updated_at = absl::FromUnixMicros(1'700'000'000'000'001);
  EXPECT_OK(CheckEtag(order, ""));
  EXPECT_OK(CheckEtag(order, EtagOf(order)));
  const std::string before = EtagOf(order);
  order.updated_at += absl::Microseconds(1);
  EXPECT_THAT(CheckEtag(order, before),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
}

TEST(ValidateTexts, AStockxNumberIsShorterThanAnExternalId) {
  Order order = In(kPending);
  for (const char* slug : {"stockx", "ebay"}) {
    order.platform_slug = slug;
    order.external_id = std::string(slug) + "_" + std::string(100, '1');
    EXPECT_OK(ValidateTexts(order));
    *order.external_id += "1";
    if (order.platform_slug == "ebay") {
      EXPECT_OK(ValidateTexts(order));
    } else {
      EXPECT_THAT(ValidateTexts(order),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.external_id")));
    }
  }
}

TEST(ValidateTexts, NamesEveryBadField) {
  Order order;
  order.platform_slug = "ebay";
  order.external_id = "stockx_1";
  order.notes = std::string(10'001, 'x');
  order.buyer_destination_country = std::string(100, 'x');
  order.inventory_type = "OTHER";
  const absl::Status status = ValidateTexts(order);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.external_id")));
  EXPECT_THAT(status, HasField("order.notes"));
  EXPECT_THAT(status, HasField("order.inventory_type"));
  EXPECT_THAT(status, ::testing::Not(HasField("order.buyer_destination_country")));
  // Characters count, not bytes.
  Order german;
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\xC3\xB6";
  german.buyer_destination_country = umlauts;
  EXPECT_OK(ValidateTexts(german));
}

TEST(PlatformNumber, StripsOnlyTheExactPrefix) {
  EXPECT_EQ(PlatformNumber("stockx", "stockx_123-456"), "123-456");
  EXPECT_EQ(PlatformNumber("stockx", "alias_stockx_1"), std::nullopt);
  EXPECT_EQ(PlatformNumber("stockx", "stockx_"), std::nullopt);
  EXPECT_EQ(PlatformNumber("stockx", "stockx-1"), std::nullopt);
  EXPECT_EQ(PlatformNumber("stockx", "xstockx_1"), std::nullopt);
}

}  // namespace
}  // namespace lockstep::orders
