// OrderService over a real database: one order at a time. Lists and sums are in
// order_lists_test.cc.
#include <atomic>
#include <set>
#include <thread>

#include "tests/integration/services/orders/orders_server.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

class OrderServiceTest : public OrdersServer {
 protected:
  absl::StatusOr<pb::RecordPayoutResponse> Pay(const std::string& name, int units,
                                               const std::string& reference, std::int64_t seconds,
                                               const std::string& currency = "EUR") {
    pb::RecordPayoutRequest request;
    request.set_name(name);
    request.mutable_amount()->set_currency_code(currency);
    request.mutable_amount()->set_units(units);
    request.mutable_payout_date()->set_seconds(seconds);
    request.set_reference(reference);
    return Call(*orders_, &pb::OrderService::Stub::RecordPayout, request);
  }
};

constexpr std::int64_t kSold = 1'709'294'400;  // 2024-03-01T12:00:00Z

TEST_F(OrderServiceTest, CreatesReadsAndLooksUp) {
  const std::string item = NewItem("50.00", "'2024-02-01'");
  ASSERT_OK_AND_ASSIGN(pb::Order created, Create("stockx_1-1", item, 100, "2024-03-01T12:00:00Z"));
  EXPECT_EQ(created.status(), pb::ORDER_STATUS_PENDING);
  EXPECT_EQ(created.stockx_order_number(), "1-1");
  EXPECT_EQ(created.platform_display_name(), "StockX");
  EXPECT_EQ(created.item().sku(), "TEST-1");
  EXPECT_EQ(created.gross_profit().units(), 50);
  EXPECT_FALSE(created.has_net_proceeds());
  EXPECT_FALSE(created.payout_received());
  EXPECT_EQ(created.shelf_life_days(), 29);

  ASSERT_OK_AND_ASSIGN(pb::Order read, Get(created.name()));
  EXPECT_EQ(read.etag(), created.etag());
  pb::LookupOrderRequest lookup;
  lookup.set_stockx_order_number("1-1");
  ASSERT_OK_AND_ASSIGN(pb::Order found,
                       Call(*orders_, &pb::OrderService::Stub::LookupOrder, lookup));
  EXPECT_EQ(found.name(), created.name());
  lookup.set_platform("platforms/stockx");
  lookup.set_external_id("stockx_1-1");
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::LookupOrder, lookup),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("LOOKUP_KEY_AMBIGUOUS")));
  lookup.clear_stockx_order_number();
  lookup.set_external_id("stockx_1");
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::LookupOrder, lookup),
              StatusIs(absl::StatusCode::kNotFound, Reason("ORDER_NOT_FOUND")));

  pb::BatchGetOrdersRequest batch;
  batch.add_names(created.name());
  batch.add_names(created.name());
  ASSERT_OK_AND_ASSIGN(pb::BatchGetOrdersResponse both,
                       Call(*orders_, &pb::OrderService::Stub::BatchGetOrders, batch));
  EXPECT_EQ(both.orders_size(), 2);
  batch.add_names("orders/" + ids::Uuid::Generate().text());
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::BatchGetOrders, batch),
              StatusIs(absl::StatusCode::kNotFound, Reason("ORDER_NOT_FOUND")));
}

TEST_F(OrderServiceTest, RefusesBadOrders) {
  const std::string item = NewItem();
  ASSERT_OK(Create("ebay_1", item, 1));
  EXPECT_THAT(Create("ebay_1", item, 1),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("ORDER_EXISTS")));
  EXPECT_THAT(Create("nowhere_1", item, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.platform")));
  EXPECT_THAT(Create("ebay_2", ids::Uuid::Generate().text(), 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.inventory_item")));
  EXPECT_THAT(Create("ebay_3", NewItem("1.00", "'2024-05-01'"), 1, "2024-03-01T12:00:00Z"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("SALE_BEFORE_PURCHASE")));
  EXPECT_THAT(Get("orders/7"), StatusIs(absl::StatusCode::kInvalidArgument, HasField("name")));
}

TEST_F(OrderServiceTest, FiftyEqualRequestsHaveOneEffectAndOneAnswer) {
  const std::string item = NewItem();
  const std::string id = ids::Uuid::Generate().text();
  std::vector<std::string> answers(50);
  std::vector<std::thread> threads;
  for (std::string& answer : answers) {
    threads.emplace_back([&] {
      const auto order = Create("ebay_1", item, 7, "", id);
      answer = order.ok() ? order->SerializeAsString() : order.status().ToString();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(answers.begin(), answers.end()).size(), 1U) << answers[0];
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders"), "1");
  EXPECT_THAT(Create("ebay_1", item, 8, "", id),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REQUEST_ID_REUSED")));
}

TEST_F(OrderServiceTest, UpdatesWithMaskAndEtag) {
  ASSERT_OK_AND_ASSIGN(pb::Order order,
                       Create("ebay_1", NewItem("50.00"), 100, "2024-03-01T12:00:00Z"));
  pb::UpdateOrderRequest request;
  request.mutable_order()->set_name(order.name());
  request.mutable_order()->set_etag(order.etag());
  request.mutable_order()->mutable_platform_fee()->set_currency_code("EUR");
  request.mutable_order()->mutable_platform_fee()->set_units(10);
  request.mutable_order()->mutable_shipping_cost()->set_currency_code("EUR");
  request.mutable_order()->mutable_shipping_cost()->set_nanos(-70'000'000);
  ASSERT_OK_AND_ASSIGN(pb::Order updated,
                       Call(*orders_, &pb::OrderService::Stub::UpdateOrder, request));
  EXPECT_EQ(updated.net_proceeds().units(), 90);
  EXPECT_EQ(updated.net_proceeds().nanos(), 70'000'000);
  EXPECT_EQ(updated.net_profit().units(), 40);
  EXPECT_EQ(updated.roi(), "80.14");
  EXPECT_NE(updated.etag(), order.etag());
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::UpdateOrder, request),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));

  request.mutable_order()->clear_etag();
  request.mutable_update_mask()->add_paths("shipping_cost");
  request.mutable_order()->clear_shipping_cost();
  ASSERT_OK_AND_ASSIGN(updated, Call(*orders_, &pb::OrderService::Stub::UpdateOrder, request));
  EXPECT_FALSE(updated.has_shipping_cost());
  EXPECT_FALSE(updated.has_net_proceeds()) << "unknown again";

  request.mutable_order()->mutable_platform_fee()->set_currency_code("USD");
  request.mutable_update_mask()->add_paths("platform_fee");
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::UpdateOrder, request),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("CURRENCY_MISMATCH")));

  ASSERT_OK(Move(order.name(), pb::ORDER_STATUS_CANCELLED));
  request.mutable_order()->mutable_platform_fee()->set_currency_code("EUR");
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::UpdateOrder, request),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ORDER_STATUS_FINAL")));
  pb::UpdateOrderRequest notes;
  notes.mutable_order()->set_name(order.name());
  notes.mutable_order()->set_notes("lost in the post");
  ASSERT_OK_AND_ASSIGN(updated, Call(*orders_, &pb::OrderService::Stub::UpdateOrder, notes));
  EXPECT_EQ(updated.notes(), "lost in the post");
}

TEST_F(OrderServiceTest, LimitsCountCharacters) {
  ASSERT_OK_AND_ASSIGN(pb::Order order, Create("ebay_1", NewItem(), 100, "2024-03-01T12:00:00Z"));
  std::string text;
  for (int i = 0; i < 200; ++i) text += "\xC3\xA4";  // a with dots: one character, two bytes
  ASSERT_OK(Pay(order.name(), 90, text, kSold + 86'400));
  EXPECT_THAT(Pay(order.name(), 90, text + "a", kSold + 86'400),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("reference")));
  pb::TransitionOrderRequest request;
  request.set_name(order.name());
  request.set_status(pb::ORDER_STATUS_CONFIRMED);
  request.set_reason(text + text + text + text + text + "a");
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::TransitionOrder, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("reason")));
  request.set_reason(text + text + text + text + text);
  EXPECT_OK(Call(*orders_, &pb::OrderService::Stub::TransitionOrder, request));
}

TEST_F(OrderServiceTest, AnUnknownListingIsABadField) {
  ASSERT_OK_AND_ASSIGN(pb::Order order, Create("ebay_1", NewItem(), 100));
  order.set_listing("listings/11111111-1111-4111-8111-111111111111");
  pb::UpdateOrderRequest update;
  *update.mutable_order() = order;
  update.mutable_update_mask()->add_paths("listing");
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::UpdateOrder, update),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.listing")));
  pb::CreateOrderRequest create;
  *create.mutable_order() = order;
  create.mutable_order()->set_external_id("ebay_2");
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::CreateOrder, create),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("LISTING_UNKNOWN")));
}

TEST_F(OrderServiceTest, TransitionsTellTheCatalogAndTheHistory) {
  const std::string item = NewItem();
  ASSERT_OK_AND_ASSIGN(pb::Order order, Create("ebay_1", item, 100, "2024-03-01T12:00:00Z"));
  EXPECT_THAT(Move(order.name(), pb::ORDER_STATUS_COMPLETED),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("TRANSITION_NOT_ALLOWED")));
  ASSERT_OK_AND_ASSIGN(pb::Order completed, Complete(order.name()));
  EXPECT_EQ(completed.status(), pb::ORDER_STATUS_COMPLETED);
  EXPECT_THAT(Deliver(), lockstep::testing::IsOkAndHolds(2)) << "reserved, then sold";
  EXPECT_EQ(database_.QueryText("SELECT status FROM products.inventory WHERE id = '" + item + "'"),
            "sold");
  EXPECT_THAT(Move(order.name(), pb::ORDER_STATUS_CANCELLED),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("TRANSITION_NOT_ALLOWED")));
  ASSERT_OK(Move(order.name(), pb::ORDER_STATUS_RETURNED));
  EXPECT_THAT(Deliver(), lockstep::testing::IsOkAndHolds(1));
  EXPECT_EQ(database_.QueryText("SELECT status FROM products.inventory WHERE id = '" + item + "'"),
            "in_stock");
  EXPECT_THAT(Move(order.name(), pb::ORDER_STATUS_COMPLETED),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ORDER_STATUS_FINAL")));

  pb::ListOrderEventsRequest request;
  request.set_parent(order.name());
  request.set_page_size(4);
  std::vector<std::string> kinds;
  do {
    ASSERT_OK_AND_ASSIGN(pb::ListOrderEventsResponse page,
                         Call(*orders_, &pb::OrderService::Stub::ListOrderEvents, request));
    for (const pb::OrderEvent& event : page.events()) kinds.push_back(event.kind());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(kinds,
              ::testing::ElementsAre("created", "transitioned", "transitioned", "transitioned",
                                     "transitioned", "transitioned", "transitioned"));
}

TEST_F(OrderServiceTest, OnlyACompletedOrderReturnsAnItem) {
  const std::string item = NewItem();
  const std::string status = "SELECT status FROM products.inventory WHERE id = '" + item + "'";
  // Sold by an order of the legacy table: the catalog has no record of who holds it.
  database_.Execute("UPDATE products.inventory SET status = 'sold' WHERE id = '" + item + "'");
  ASSERT_OK_AND_ASSIGN(pb::Order pending, Create("ebay_1", item, 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Move(pending.name(), pb::ORDER_STATUS_CANCELLED));
  ASSERT_OK_AND_ASSIGN(pb::Order shipped, Create("ebay_2", item, 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Move(shipped.name(), pb::ORDER_STATUS_CONFIRMED));
  ASSERT_OK(Move(shipped.name(), pb::ORDER_STATUS_SHIPPED));
  ASSERT_OK(Move(shipped.name(), pb::ORDER_STATUS_DISPUTED));
  ASSERT_OK(Move(shipped.name(), pb::ORDER_STATUS_REFUNDED));
  ASSERT_OK(Deliver());
  EXPECT_EQ(database_.QueryText(status), "sold");

  database_.Execute(
      "INSERT INTO transactions.orders (platform_id, inventory_item_id, external_id, status,"
      " sold_at) SELECT id, '" +
      item + "', 'ebay_3', 'completed', '2024-03-01' FROM core.platforms WHERE slug = 'ebay'");
  ASSERT_OK_AND_ASSIGN(pb::ListOrdersResponse page, List("external_id = \"ebay_3\""));
  ASSERT_OK(Move(page.orders(0).name(), pb::ORDER_STATUS_DISPUTED));
  ASSERT_OK(Move(page.orders(0).name(), pb::ORDER_STATUS_REFUNDED));
  ASSERT_OK(Deliver());
  EXPECT_EQ(database_.QueryText(status), "in_stock");
}

TEST_F(OrderServiceTest, AnItemIsSoldOnce) {
  const std::string item = NewItem();
  ASSERT_OK_AND_ASSIGN(pb::Order first, Create("ebay_1", item, 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK_AND_ASSIGN(pb::Order second, Create("goat_1", item, 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Complete(first.name()));
  EXPECT_THAT(Complete(second.name()),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
  // A disputed sale may be upheld: the item is sold until the dispute ends otherwise.
  ASSERT_OK(Move(first.name(), pb::ORDER_STATUS_DISPUTED));
  EXPECT_THAT(Move(second.name(), pb::ORDER_STATUS_COMPLETED),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
  ASSERT_OK(Move(first.name(), pb::ORDER_STATUS_COMPLETED));
  ASSERT_OK(Move(first.name(), pb::ORDER_STATUS_RETURNED));
  ASSERT_OK(Move(second.name(), pb::ORDER_STATUS_COMPLETED));
}

TEST_F(OrderServiceTest, RecordsPayouts) {
  ASSERT_OK_AND_ASSIGN(pb::Order order,
                       Create("ebay_1", NewItem("50.00"), 100, "2024-03-01T12:00:00Z"));
  EXPECT_THAT(Pay(order.name(), 90, "r1", kSold - 1),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PAYOUT_BEFORE_SALE")));
  EXPECT_THAT(Pay(order.name(), 90, "r1", kSold, "USD"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("CURRENCY_MISMATCH")));
  ASSERT_OK_AND_ASSIGN(pb::RecordPayoutResponse paid, Pay(order.name(), 90, "r1", kSold + 86'400));
  EXPECT_TRUE(paid.order().payout_received());
  EXPECT_EQ(paid.order().net_proceeds().units(), 90);
  EXPECT_EQ(paid.order().net_profit().units(), 40);
  EXPECT_FALSE(paid.has_difference());
  ASSERT_OK_AND_ASSIGN(pb::RecordPayoutResponse again, Pay(order.name(), 90, "r1", kSold + 86'400));
  EXPECT_EQ(again.order().etag(), paid.order().etag()) << "nothing changed";
  EXPECT_THAT(Pay(order.name(), 90, "r2", kSold + 86'400),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("PAYOUT_RECORDED")));
  EXPECT_THAT(Pay(order.name(), 91, "r1", kSold + 86'400),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("PAYOUT_RECORDED")));
  EXPECT_THAT(Pay(order.name(), 90, "r1", kSold + 86'400, "USD"),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("PAYOUT_RECORDED")));

  // Figures that are known stay; the difference is told.
  Insert("ebay", "external_id, status, currency_code, sold_at, net_proceeds",
         "'ebay_2', 'completed', 'EUR', '2024-03-01 12:00:00+00', 80.00");
  ASSERT_OK_AND_ASSIGN(pb::ListOrdersResponse page, List("external_id = \"ebay_2\""));
  ASSERT_OK_AND_ASSIGN(pb::RecordPayoutResponse late,
                       Pay(page.orders(0).name(), 79, "r3", kSold + 91 * 86'400));
  EXPECT_EQ(late.order().net_proceeds().units(), 80);
  EXPECT_EQ(late.difference().units(), -1);
  EXPECT_THAT(late.warnings(), ::testing::ElementsAre("PAYOUT_LATE", "PAYOUT_DIFFERS"));
}

TEST_F(OrderServiceTest, ASaleIsNotMovedPastItsPayout) {
  ASSERT_OK_AND_ASSIGN(pb::Order order, Create("ebay_1", NewItem(), 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Pay(order.name(), 90, "r1", kSold + 86'400));
  pb::UpdateOrderRequest request;
  request.mutable_order()->set_name(order.name());
  request.mutable_order()->mutable_sold_at()->set_seconds(kSold + 86'401);
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::UpdateOrder, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("order.sold_at")));
  request.mutable_order()->mutable_sold_at()->set_seconds(kSold + 86'400);
  EXPECT_OK(Call(*orders_, &pb::OrderService::Stub::UpdateOrder, request));
}

}  // namespace
}  // namespace lockstep::orders
