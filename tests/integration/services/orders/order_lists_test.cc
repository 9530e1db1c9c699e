// Lists, streams and sums of OrderService over a real database.
#include <set>

#include "tests/integration/services/orders/orders_server.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

class OrderListsTest : public OrdersServer {
 protected:
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

TEST_F(OrderListsTest, FiltersByEveryField) {
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

TEST_F(OrderListsTest, PagesInEveryOrderWithUnknownTimesLast) {
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

TEST_F(OrderListsTest, StreamsEverythingOnce) {
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

TEST_F(OrderListsTest, SumsPerCurrencyAndSaysWhatItDoesNotKnow) {
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
