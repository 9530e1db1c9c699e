#include "services/orders/merge.h"

#include <map>

#include "common/status/testing.h"
#include "common/time/time.h"
#include "gtest/gtest.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using enum OrderStatus;

Money Eur(std::int64_t minor) { return {money::kEur, minor}; }
absl::Time At(std::string_view text) { return *time::ParseRfc3339(text); }

ReportedSale Sale() {
  return {.external_id = "stockx_75911746-87004337",
          .platform_number = "75911746-87004337",
          .inventory_type = "STANDARD",
          .item_name = "Nike Dunk Low Panda",
          .sku = "DD1391-100",
          .size_text = "10.5",
          .sold_at = At("2024-03-01T12:30:00Z"),
          .payout_date = At("2024-03-05T08:00:00Z"),
          .reported_at = At("2024-03-05T08:00:00Z"),
          .gross_sale = Eur(19'100),
          .platform_fee = Eur(1'910),
          .shipping_cost = Eur(0),
          .net_proceeds = Eur(17'190),
          .country = "France",
          .city = std::nullopt,
          .reference = "90000001-1",
          .itemisation = FeeItemisation::kExact,
          .residual = Eur(0)};
}

// A row of the legacy table after its migration: the commission only, and a "profit" of 0.00.
Order Migrated() {
  Order order;
  order.id = OrderId::Generate();
  order.platform_slug = "stockx";
  order.external_id = "stockx_75911746-87004337";
  order.stockx_order_number = "75911746-87004337";
  order.status = kCompleted;
  order.sold_at = At("2024-03-01T12:30:00Z");
  order.gross_sale = Eur(19'100);
  order.platform_fee = Eur(1'337);
  order.shipping_cost = Eur(0);
  order.net_proceeds = Eur(17'763);
  order.net_profit = Eur(0);
  order.buyer_destination_city = "Lyon";
  return order;
}

TEST(MergeSale, ReplacesComputedFiguresByThePayoutAndKeepsTheFormerOnes) {
  ASSERT_OK_AND_ASSIGN(Merge merge, MergeSale(Migrated(), Sale(), "stockx", false, std::nullopt));
  EXPECT_EQ(merge.outcome, MergeOutcome::kUpdated);
  EXPECT_EQ(merge.after.platform_fee, Eur(1'910));
  EXPECT_EQ(merge.after.net_proceeds, Eur(17'190));
  EXPECT_EQ(merge.after.payout_received, true);
  EXPECT_EQ(merge.after.payout_date, At("2024-03-05T08:00:00Z"));
  EXPECT_EQ(merge.after.buyer_destination_city, "Lyon") << "the report does not know the city";
  EXPECT_EQ(merge.after.net_profit, std::nullopt) << "without a purchase price nobody knows";
  const std::map<std::string, std::optional<std::string>> previous(merge.previous.begin(),
                                                                   merge.previous.end());
  EXPECT_EQ(previous.at("platform_fee"), "13.37");
  EXPECT_EQ(previous.at("net_proceeds"), "177.63");
  EXPECT_EQ(previous.at("net_profit"), "0.00");
  EXPECT_EQ(previous.at("payout_received"), std::nullopt);
  EXPECT_FALSE(previous.contains("gross_sale"));
}

TEST(MergeSale, ASecondTimeChangesNothing) {
  const Purchase purchase{.net = Eur(10'000),
                          .gross = std::nullopt,
                          .vat_rate = std::nullopt,
                          .bought_at = At("2024-02-01T00:00:00Z")};
  ASSERT_OK_AND_ASSIGN(Merge first, MergeSale(Migrated(), Sale(), "stockx", false, purchase));
  EXPECT_EQ(first.after.net_profit, Eur(7'190));
  EXPECT_EQ(first.after.shelf_life_days, 29);
  ASSERT_OK_AND_ASSIGN(Merge second, MergeSale(first.after, Sale(), "stockx", true, purchase));
  EXPECT_EQ(second.outcome, MergeOutcome::kUnchanged);
  EXPECT_TRUE(second.previous.empty());
}

TEST(MergeSale, OtherPayloadIsAChange) {
  ASSERT_OK_AND_ASSIGN(Merge first, MergeSale(Migrated(), Sale(), "stockx", false, std::nullopt));
  ASSERT_OK_AND_ASSIGN(Merge second, MergeSale(first.after, Sale(), "stockx", false, std::nullopt));
  EXPECT_EQ(second.outcome, MergeOutcome::kUpdated);
  EXPECT_TRUE(second.previous.empty());
}

TEST(MergeSale, SkipsWhatIsOlderThanTheStoredState) {
  Order stored = Migrated();
  stored.platform_updated_at = At("2024-03-05T08:00:01Z");
  ASSERT_OK_AND_ASSIGN(Merge merge, MergeSale(stored, Sale(), "stockx", false, std::nullopt));
  EXPECT_EQ(merge.outcome, MergeOutcome::kSkipped);
}

TEST(MergeSale, MovesForwardToCompletedAndLeavesOtherStatusesAlone) {
  for (const auto& [from, to] : std::map<OrderStatus, OrderStatus>{{kPending, kCompleted},
                                                                   {kShipped, kCompleted},
                                                                   {kAuthenticated, kCompleted},
                                                                   {kCompleted, kCompleted},
                                                                   {kReturned, kReturned},
                                                                   {kRefunded, kRefunded},
                                                                   {kDisputed, kDisputed}}) {
    Order stored = Migrated();
    stored.status = from;
    ASSERT_OK_AND_ASSIGN(Merge merge, MergeSale(stored, Sale(), "stockx", false, std::nullopt));
    EXPECT_EQ(merge.after.status, to) << ToText(from);
  }
}

TEST(MergeSale, RefusesContradictions) {
  Order cancelled = Migrated();
  cancelled.status = kCancelled;
  EXPECT_THAT(MergeSale(cancelled, Sale(), "stockx", false, std::nullopt),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ORDER_CANCELLED")));
  Order elsewhere = Migrated();
  elsewhere.platform_slug = "ebay";
  EXPECT_THAT(MergeSale(elsewhere, Sale(), "stockx", false, std::nullopt),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ORDER_OF_OTHER_PLATFORM")));
  Order dollars = Migrated();
  dollars.currency = money::kUsd;
  EXPECT_THAT(MergeSale(dollars, Sale(), "stockx", false, std::nullopt),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("CURRENCY_CHANGED")));
  const Purchase later{.net = Eur(10'000),
                       .gross = std::nullopt,
                       .vat_rate = std::nullopt,
                       .bought_at = At("2024-04-01T00:00:00Z")};
  EXPECT_THAT(MergeSale(Migrated(), Sale(), "stockx", false, later),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("SALE_BEFORE_PURCHASE")));
}

}  // namespace
}  // namespace lockstep::orders
