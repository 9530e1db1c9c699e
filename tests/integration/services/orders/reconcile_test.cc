// ReconcileItems: every kind of difference, planted, and none when all is well.
#include <set>
#include <string>

#include "tests/integration/services/orders/orders_server.h"

namespace lockstep::orders {
namespace {

using ReconcileTest = OrdersServer;

TEST_F(ReconcileTest, FindsEveryKindOfDifference) {
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse result, Reconcile());
  EXPECT_EQ(result.differences_size(), 0);

  Insert("ebay", "external_id, status", "'ebay_1', 'completed'");
  const std::string twice = NewItem();
  database_.Execute("UPDATE products.inventory SET status = 'sold' WHERE id = '" + twice + "'");
  for (const char* id : {"ebay_2", "ebay_3"}) {
    database_.Execute(
        "INSERT INTO transactions.orders (platform_id, inventory_item_id,"
        " external_id, status) SELECT id, '" +
        twice + "', '" + id + "', 'completed' FROM core.platforms WHERE slug = 'ebay'");
  }
  database_.Execute(
      "INSERT INTO products.item_orders (inventory_item_id, platform_id,"
      " external_order_id, status) SELECT '" +
      NewItem() + "', id, 'ebay_9', 'sold' FROM core.platforms WHERE slug = 'ebay'");
  database_.Execute(
      "INSERT INTO transactions.outbox (aggregate, kind, payload, attempts,"
      " last_error, dead_at) VALUES ('inventoryItems/" +
      NewItem() + "', 'item_sold', '{}', 3, 'no', now()), ('inventoryItems/" + NewItem() +
      "', 'item_sold', '{}', 2, 'no', NULL)");
  ASSERT_OK_AND_ASSIGN(result, Reconcile());
  std::multiset<pb::ItemDifferenceKind> kinds;
  for (const pb::ItemDifference& difference : result.differences()) {
    kinds.insert(difference.kind());
    EXPECT_FALSE(difference.detail().empty());
    EXPECT_TRUE(difference.inventory_item().starts_with("inventoryItems/"));
  }
  EXPECT_THAT(kinds, ::testing::UnorderedElementsAre(pb::ITEM_DIFFERENCE_KIND_ITEM_NOT_SOLD,
                                                     pb::ITEM_DIFFERENCE_KIND_ITEM_SOLD_TWICE,
                                                     pb::ITEM_DIFFERENCE_KIND_ITEM_WITHOUT_ORDER,
                                                     pb::ITEM_DIFFERENCE_KIND_EVENT_STUCK,
                                                     pb::ITEM_DIFFERENCE_KIND_EVENT_DEAD));
  EXPECT_EQ(result.completed_order_count(), 3);
  EXPECT_EQ(result.pending_event_count(), 1);
}

TEST_F(ReconcileTest, SeesAnItemThatACancelledOrderStillHolds) {
  const std::string item = NewItem();
  ASSERT_OK_AND_ASSIGN(pb::Order order, Create("ebay_1", item, 1));
  database_.Execute(
      "INSERT INTO products.item_orders (inventory_item_id, order_id, status)"
      " VALUES ('" +
      item + "', '" + order.name().substr(7) + "', 'reserved')");
  ASSERT_OK(Move(order.name(), pb::ORDER_STATUS_CANCELLED));
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse result, Reconcile());
  EXPECT_EQ(result.differences_size(), 0) << "the release is under way";
  database_.Execute("UPDATE transactions.outbox SET delivered_at = now()");
  ASSERT_OK_AND_ASSIGN(result, Reconcile());
  ASSERT_EQ(result.differences_size(), 1);
  EXPECT_EQ(result.differences(0).kind(), pb::ITEM_DIFFERENCE_KIND_ITEM_NOT_RELEASED);
}

TEST_F(ReconcileTest, SeesWhatAnOrderHoldsByItsNumberOnly) {
  const std::string item = NewItem();
  ASSERT_OK_AND_ASSIGN(pb::Order order, Create("ebay_1", item, 1, "2024-03-01T12:00:00Z"));
  // As for an imported sale: the catalog does not know the order's id.
  const auto hold = [&](const std::string& held) {
    database_.Execute(
        "INSERT INTO products.item_orders (inventory_item_id, platform_id, external_order_id,"
        " status) SELECT '" +
        held + "', id, 'ebay_1', 'sold' FROM core.platforms WHERE slug = 'ebay'");
  };
  hold(item);
  ASSERT_OK(Move(order.name(), pb::ORDER_STATUS_CANCELLED));
  database_.Execute("UPDATE transactions.outbox SET delivered_at = now()");
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse result, Reconcile());
  ASSERT_EQ(result.differences_size(), 1);
  EXPECT_EQ(result.differences(0).kind(), pb::ITEM_DIFFERENCE_KIND_ITEM_NOT_RELEASED);

  database_.Execute("DELETE FROM products.item_orders");
  const std::string other = NewItem();
  hold(other);
  ASSERT_OK_AND_ASSIGN(result, Reconcile());
  ASSERT_EQ(result.differences_size(), 1);
  EXPECT_EQ(result.differences(0).kind(), pb::ITEM_DIFFERENCE_KIND_ITEM_WITHOUT_ORDER);
  EXPECT_EQ(result.differences(0).order(), order.name());
  EXPECT_EQ(result.differences(0).inventory_item(), "inventoryItems/" + other);
}

TEST_F(ReconcileTest, NamesAnOrderWhoseItemIsKeptForAnother) {
  const std::string item = NewItem();
  ASSERT_OK_AND_ASSIGN(pb::Order first, Create("ebay_1", item, 1, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Deliver());
  ASSERT_OK_AND_ASSIGN(pb::Order second, Create("ebay_2", item, 1, "2024-03-01T12:00:00Z"));
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse result, Reconcile());
  EXPECT_EQ(result.differences_size(), 0) << "the reservation is under way";
  ASSERT_OK(Deliver());
  ASSERT_OK_AND_ASSIGN(result, Reconcile());
  ASSERT_EQ(result.differences_size(), 1) << "a refusal is no dead letter";
  EXPECT_EQ(result.differences(0).kind(), pb::ITEM_DIFFERENCE_KIND_ITEM_NOT_RESERVED);
  EXPECT_EQ(result.differences(0).order(), second.name());
  ASSERT_OK(Move(second.name(), pb::ORDER_STATUS_CANCELLED));
  ASSERT_OK(Deliver());
  ASSERT_OK_AND_ASSIGN(result, Reconcile());
  EXPECT_EQ(result.differences_size(), 0) << "the first order still holds its item";
}

TEST_F(ReconcileTest, AnEventWaitsUntilTheCatalogIsBack) {
  const std::string item = NewItem();
  ASSERT_OK_AND_ASSIGN(pb::Order order, Create("ebay_1", item, 1, "2024-03-01T12:00:00Z"));
  catalog_.is_down = true;
  ASSERT_OK(Complete(order.name()));
  EXPECT_THAT(Deliver(), lockstep::testing::IsOkAndHolds(0));
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse result, Reconcile());
  ASSERT_EQ(result.differences_size(), 1);
  EXPECT_EQ(result.differences(0).kind(), pb::ITEM_DIFFERENCE_KIND_EVENT_STUCK);
  catalog_.is_down = false;
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  absl::StatusOr<int> delivered = 0;
  while (delivered.ok() && *delivered == 0 && absl::Now() < deadline) delivered = Deliver();
  EXPECT_THAT(delivered, lockstep::testing::IsOkAndHolds(2)) << "reserved, then sold";
  ASSERT_OK_AND_ASSIGN(result, Reconcile());
  EXPECT_EQ(result.differences_size(), 0);
}

}  // namespace
}  // namespace lockstep::orders
