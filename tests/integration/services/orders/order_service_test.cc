// OrderService over a real database.
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

  absl::StatusOr<pb::SummarizeOrdersResponse> Summarize(const std::string& filter,
                                                        const std::vector<std::string>& group_by) {
    pb::SummarizeOrdersRequest request;
    request.set_filter(filter);
    for (const std::string& field : group_by) request.add_group_by(field);
    return Call(*orders_, &pb::OrderService::Stub::SummarizeOrders, request);
  }

  static std::vector<std::string> Ids(const pb::ListOrdersResponse& page) {
    std::vector<std::string> ids;
    for (const pb::Order& order : page.orders()) ids.push_back(order.external_id());
    return ids;
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

TEST_F(OrderServiceTest, FiltersByEveryField) {
  ASSERT_OK(Create("stockx_1", NewItem(), 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Create("ebay_1", NewItem(), 200, "2024-04-01T12:00:00Z"));
  Insert("goat", "external_id, status, payout_received, buyer_destination_country",
         "'goat_1', 'shipped', NULL, 'France'");
  struct Case {
    const char* filter;
    std::vector<std::string> ids;
  };
  for (const Case& c : {
           Case{"platform = \"stockx\"", {"stockx_1"}},
           Case{"platform = platforms/stockx OR platform = goat", {"stockx_1", "goat_1"}},
           Case{"status = shipped", {"goat_1"}},
           Case{"status = ORDER_STATUS_SHIPPED", {"goat_1"}},
           Case{"sold_at >= \"2024-03-15T00:00:00Z\"", {"ebay_1"}},
           Case{"NOT payout_received:*", {"goat_1"}},
           Case{"payout_received = false", {"ebay_1", "stockx_1"}},
           Case{"buyer_destination_country = \"France\"", {"goat_1"}},
           Case{"gross_sale > 100.00", {"ebay_1"}},
           Case{"external_id = \"ebay_1\"", {"ebay_1"}},
           Case{"sku = \"TEST-1\" AND NOT sold_at:*", {"goat_1"}},
           Case{"sku = \"OTHER\"", {}},
       }) {
    ASSERT_OK_AND_ASSIGN(pb::ListOrdersResponse page, List(c.filter));
    EXPECT_THAT(Ids(page), ::testing::UnorderedElementsAreArray(c.ids)) << c.filter;
  }
  for (const char* filter : {"platform = nowhere", "platform != platforms/nowhere",
                             "status = shipped AND NOT (platform = ebay OR platform = nowhere)"}) {
    EXPECT_THAT(List(filter),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("PLATFORM_UNKNOWN")));
    EXPECT_THAT(Summarize(filter, {}),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("PLATFORM_UNKNOWN")));
  }
  EXPECT_THAT(List("colour = red"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("FILTER_FIELD_UNKNOWN")));
  EXPECT_THAT(List("", "net_profit"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(List("", "", -1), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(OrderServiceTest, PagesInEveryOrderWithUnknownTimesLast) {
  for (int i = 0; i < 6; ++i) {
    // Pairs share a time, two orders have none.
    Insert("ebay", "external_id, status, sold_at, gross_sale",
           "'ebay_" + std::to_string(i) + "', 'completed', " +
               (i < 4 ? "'2024-03-0" + std::to_string(1 + i / 2) + "'" : std::string("NULL")) +
               ", " + std::to_string(i % 3) + ".00");
  }
  for (const char* order_by : {"", "sold_at", "sold_at desc", "created_at", "gross_sale desc",
                               "gross_sale, sold_at desc"}) {
    std::vector<std::string> paged;
    std::string token;
    do {
      ASSERT_OK_AND_ASSIGN(pb::ListOrdersResponse page, List("", order_by, 1, token));
      for (std::string& id : Ids(page)) paged.push_back(std::move(id));
      token = page.next_page_token();
    } while (!token.empty());
    ASSERT_OK_AND_ASSIGN(pb::ListOrdersResponse whole, List("", order_by));
    EXPECT_EQ(paged, Ids(whole)) << order_by;
    EXPECT_EQ(std::set<std::string>(paged.begin(), paged.end()).size(), 6U);
    if (std::string_view(order_by).starts_with("sold_at")) {
      EXPECT_THAT((std::vector<std::string>(paged.end() - 2, paged.end())),
                  ::testing::UnorderedElementsAre("ebay_4", "ebay_5"));
    }
  }
  ASSERT_OK_AND_ASSIGN(pb::ListOrdersResponse page, List("", "sold_at", 1));
  EXPECT_THAT(List("status = shipped", "sold_at", 1, page.next_page_token()),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PAGE_TOKEN_INVALID")));
}

TEST_F(OrderServiceTest, StreamsEverythingOnce) {
  database_.Execute(
      "INSERT INTO transactions.orders (platform_id, inventory_item_id, external_id, status)"
      " SELECT p.id, '" +
      NewItem() +
      "', 'ebay_' || n, 'pending'"
      "  FROM core.platforms p, generate_series(1, 1203) AS n WHERE p.slug = 'ebay'");
  grpc::ClientContext context;
  pb::StreamOrdersRequest request;
  request.set_filter("platform = ebay");
  const auto reader = orders_->StreamOrders(&context, request);
  pb::StreamOrdersResponse message;
  std::set<std::string> names;
  int messages = 0;
  while (reader->Read(&message)) {
    ++messages;
    for (const pb::Order& order : message.orders()) names.insert(order.name());
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(names.size(), 1203U);
  EXPECT_EQ(messages, 3);
  EXPECT_TRUE(message.next_page_token().empty());
}

TEST_F(OrderServiceTest, SumsPerCurrencyAndSaysWhatItDoesNotKnow) {
  Insert("stockx", "status, sold_at, currency_code, gross_sale, platform_fee, roi",
         "'completed', '2024-03-31 23:30:00+00', NULL, 0.10, 0.01, 10.00");
  Insert("stockx", "status, sold_at, currency_code, gross_sale, buyer_destination_country",
         "'completed', '2024-04-01 00:30:00+00', 'EUR', 0.20, 'France'");
  Insert("goat", "status, sold_at, currency_code, gross_sale",
         "'completed', '2024-04-02 00:30:00+00', 'USD', 5.00");
  ASSERT_OK_AND_ASSIGN(pb::SummarizeOrdersResponse sums, Summarize("", {"platform", "month"}));
  ASSERT_EQ(sums.totals_size(), 2);
  const pb::OrderSummary& euros = sums.totals(0);
  EXPECT_EQ(euros.currency_code(), "EUR");
  EXPECT_EQ(euros.order_count(), 2);
  EXPECT_EQ(euros.gross_sale().nanos(), 300'000'000);
  EXPECT_EQ(euros.platform_fee().nanos(), 10'000'000);
  EXPECT_EQ(euros.missing_platform_fee_count(), 1);
  EXPECT_FALSE(euros.has_shipping_cost()) << "no data is not zero";
  EXPECT_EQ(euros.missing_shipping_cost_count(), 2);
  EXPECT_EQ(euros.mean_roi(), "10.00");
  EXPECT_EQ(euros.missing_roi_count(), 1);
  EXPECT_EQ(sums.totals(1).currency_code(), "USD");
  EXPECT_FALSE(sums.totals(1).has_mean_roi());
  ASSERT_EQ(sums.groups_size(), 3);
  EXPECT_EQ(sums.groups(0).group().at("platform"), "goat");
  EXPECT_EQ(sums.groups(1).group().at("month"), "2024-03") << "months are of UTC";
  EXPECT_EQ(sums.groups(2).group().at("month"), "2024-04");

  ASSERT_OK_AND_ASSIGN(sums, Summarize("platform = stockx", {"country"}));
  ASSERT_EQ(sums.groups_size(), 2);
  EXPECT_EQ(sums.groups(0).group().at("country"), "France");
  EXPECT_TRUE(sums.groups(1).group().empty());
  ASSERT_OK_AND_ASSIGN(sums, Summarize("status = refunded", {"status"}));
  EXPECT_EQ(sums.totals_size() + sums.groups_size(), 0);
  EXPECT_THAT(Summarize("", {"colour"}),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("GROUP_FIELD_UNKNOWN")));
  EXPECT_THAT(Summarize("", {"month", "month"}),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("GROUP_FIELD_REPEATED")));
}

}  // namespace
}  // namespace lockstep::orders
