// What a page of orders costs: rows read, counted by PostgreSQL while the real list runs.
#include <cstdint>
#include <string>

#include "services/orders/order_queries.h"
#include "tests/integration/services/orders/orders_server.h"

namespace lockstep::orders {
namespace {

class OrderPagingTest : public OrdersServer {
 protected:
  // `sold` orders, a minute apart, and a few that have no time of sale.
  void InsertOrders(int sold) {
    database_.Execute(
        "INSERT INTO transactions.orders (platform_id, inventory_item_id, external_id, status,"
        " sold_at, gross_sale) SELECT p.id, '" +
        NewItem() +
        "', 'ebay_' || n, 'completed', timestamptz '2024-01-01Z' + n * interval '1 minute', n"
        "  FROM core.platforms p, generate_series(1, " +
        std::to_string(sold) +
        ") AS n WHERE p.slug = 'ebay';"
        "INSERT INTO transactions.orders (platform_id, inventory_item_id, external_id, status)"
        " SELECT p.id, '" +
        NewItem() +
        "', 'ebay_open_' || n, 'pending' FROM core.platforms p, generate_series(1, 10) AS n"
        "  WHERE p.slug = 'ebay';"
        "ANALYZE transactions.orders; ANALYZE products.inventory");
  }

  struct CountedPage {
    std::vector<std::string> ids = {};
    std::string next_page_token;
    std::int64_t rows_read = 0;
  };

  absl::StatusOr<CountedPage> Page(const std::string& order_by, int size,
                                   const std::string& token) {
    const Context context = Context::WithTimeout(absl::Seconds(30));
    ASSIGN_OR_RETURN(const paging::TokenSigner* signer, signer_.Get(context));
    ASSIGN_OR_RETURN(const paging::ListQuery query,
                     paging::ListQuery::Make(
                         ListOrdersSpec(),
                         {.order_by = order_by, .page_size = size, .page_token = token}, *signer));
    return pool_.Read(context, [&](pg::Tx& tx) -> absl::StatusOr<CountedPage> {
      ASSIGN_OR_RETURN(const std::int64_t before, RowsRead(tx));
      ASSIGN_OR_RETURN(OrderPage page, orders::ListOrders(tx, query));
      ASSIGN_OR_RETURN(const std::int64_t after, RowsRead(tx));
      CountedPage counted{.next_page_token = page.next_page_token, .rows_read = after - before};
      for (const Order& order : page.orders) counted.ids.push_back(*order.external_id);
      return counted;
    });
  }

 private:
  // Rows of orders that this transaction has read, by whatever plan.
  static absl::StatusOr<std::int64_t> RowsRead(pg::Tx& tx) {
    ASSIGN_OR_RETURN(const pg::Row row,
                     tx.One("SELECT seq_tup_read + idx_tup_fetch AS read"
                            "  FROM pg_stat_xact_user_tables"
                            " WHERE schemaname = 'transactions' AND relname = 'orders'"));
    return row.Get<std::int64_t>("read");
  }
};

TEST_F(OrderPagingTest, ADeepPageBySaleTimeReadsNoRowsBeforeIt) {
  InsertOrders(5000);
  std::string token;
  for (int page = 0; page < 4; ++page) {
    ASSERT_OK_AND_ASSIGN(const CountedPage skipped, Page("sold_at desc", 1000, token));
    token = skipped.next_page_token;
  }

  ASSERT_OK_AND_ASSIGN(const CountedPage deep, Page("sold_at desc", 50, token));

  ASSERT_EQ(deep.ids.size(), 50U);
  EXPECT_EQ(deep.ids.front(), "ebay_1000");
  EXPECT_EQ(deep.ids.back(), "ebay_951");
  // The page, the row after it, those without a time, and some that are sorted by id with them.
  EXPECT_LT(deep.rows_read, 150);
}

TEST_F(OrderPagingTest, TheLastPagesEndWithTheOrdersWithoutATime) {
  InsertOrders(100);
  ASSERT_OK_AND_ASSIGN(const CountedPage first, Page("sold_at desc", 95, ""));
  ASSERT_OK_AND_ASSIGN(const CountedPage second, Page("sold_at desc", 10, first.next_page_token));
  ASSERT_OK_AND_ASSIGN(const CountedPage third, Page("sold_at desc", 10, second.next_page_token));

  EXPECT_EQ(second.ids[4], "ebay_1");
  EXPECT_TRUE(second.ids[5].starts_with("ebay_open_"));
  EXPECT_EQ(third.ids.size(), 5U);
  EXPECT_TRUE(third.next_page_token.empty());
}

}  // namespace
}  // namespace lockstep::orders
