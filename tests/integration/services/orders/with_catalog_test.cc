// Orders with the catalog's real rules, both in this process: who gets which item, and what becomes
// of it.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/services/catalog/catalog_server.h"
#include "tests/integration/services/orders/import_fixture.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

// The catalog's server and the client that orders use for it.
class ServedCatalog final : public Catalog {
 public:
  explicit ServedCatalog(const std::string& database_url)
      : server_(database_url), client_(MakeGrpcCatalog(server_.channel())) {}

  absl::StatusOr<std::vector<ResolvedItem>> ResolveSoldItems(
      const Context& context, std::string_view platform_slug,
      std::span<const ReportedSale* const> sales) override {
    return client_->ResolveSoldItems(context, platform_slug, sales);
  }
  absl::Status ReserveItem(const Context& context, const ItemChange& change) override {
    return client_->ReserveItem(context, change);
  }
  std::vector<absl::Status> MarkSold(const Context& context,
                                     std::span<const ItemChange> changes) override {
    return client_->MarkSold(context, changes);
  }
  absl::Status ReleaseItem(const Context& context, const ItemChange& change) override {
    return client_->ReleaseItem(context, change);
  }

 private:
  catalog::CatalogServer server_;
  std::unique_ptr<Catalog> client_;
};

class WithCatalogTest : public OrdersServer {
 protected:
  WithCatalogTest()
      : OrdersServer([](const lockstep::testing::TestDatabase& database) {
          return std::make_unique<ServedCatalog>(database.url("catalog_app"));
        }) {}

  std::string StatusOfItem(const std::string& item) {
    return database_.QueryText("SELECT status FROM products.inventory WHERE id = '" + item + "'");
  }

  // Delivers every event and expects that both services agree, but for `kinds`.
  void ExpectSettled(const std::vector<pb::ItemDifferenceKind>& kinds = {}) {
    ASSERT_OK(Deliver());
    ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse found, Reconcile());
    EXPECT_EQ(found.pending_event_count(), 0);
    std::vector<pb::ItemDifferenceKind> found_kinds;
    for (const pb::ItemDifference& difference : found.differences()) {
      found_kinds.push_back(difference.kind());
    }
    EXPECT_EQ(found_kinds, kinds) << found.DebugString();
  }

  // The same SKU and size for every row, so that later sales find what earlier ones gave back.
  static std::string ReportOfOne(int number) {
    ReportBuilder report;
    report.Add(ReportBuilder::Standard(Number(number)));
    return report.text();
  }
};

TEST_F(WithCatalogTest, APlaceholderThatCameBackIsSoldAgain) {
  ASSERT_OK(Import(ReportOfOne(0)));
  const std::string order = "orders/" + database_.QueryText("SELECT id FROM transactions.orders");
  const std::string item = database_.QueryText("SELECT inventory_item_id FROM transactions.orders");
  ASSERT_EQ(StatusOfItem(item), "sold");
  ExpectSettled();
  ASSERT_OK(Move(order, pb::ORDER_STATUS_RETURNED));
  ExpectSettled();
  ASSERT_EQ(StatusOfItem(item), "in_stock");
  // Meanwhile a person has found the receipt.
  database_.Execute("UPDATE products.inventory SET purchase_price = 50 WHERE id = '" + item + "'");

  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOfOne(1)));

  EXPECT_EQ(batch.inserted_count(), 1);
  EXPECT_EQ(database_.QueryText("SELECT inventory_item_id FROM transactions.orders"
                                " WHERE status = 'completed'"),
            item);
  EXPECT_EQ(database_.QueryText("SELECT net_profit IS NOT NULL FROM transactions.orders"
                                " WHERE status = 'completed'"),
            "t");
  ExpectSettled();
  EXPECT_EQ(StatusOfItem(item), "sold");
}

TEST_F(WithCatalogTest, TheFirstOrderToBeCompletedGetsTheItem) {
  const std::string item = NewItem("50.00", "'2024-02-01'");
  ASSERT_OK_AND_ASSIGN(pb::Order first, Create("ebay_1", item, 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK_AND_ASSIGN(pb::Order second, Create("ebay_2", item, 110, "2024-03-02T12:00:00Z"));
  ExpectSettled({pb::ITEM_DIFFERENCE_KIND_ITEM_NOT_RESERVED});

  ASSERT_OK(Complete(second.name()));

  // The sale took the unit from the reservation, which a cancellation must not bring back.
  ExpectSettled({pb::ITEM_DIFFERENCE_KIND_ITEM_NOT_RESERVED});
  EXPECT_EQ(StatusOfItem(item), "sold");
  EXPECT_THAT(Complete(first.name()),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
  ASSERT_OK(Move(first.name(), pb::ORDER_STATUS_CANCELLED));
  ExpectSettled();
  EXPECT_EQ(StatusOfItem(item), "sold");
}

TEST_F(WithCatalogTest, ACancelledOrderGivesItsItemBack) {
  const std::string item = NewItem("50.00", "'2024-02-01'");
  ASSERT_OK_AND_ASSIGN(pb::Order order, Create("ebay_1", item, 100, "2024-03-01T12:00:00Z"));
  ExpectSettled();
  EXPECT_EQ(StatusOfItem(item), "reserved");

  ASSERT_OK(Move(order.name(), pb::ORDER_STATUS_CANCELLED));

  ExpectSettled();
  EXPECT_EQ(StatusOfItem(item), "in_stock");
}

// The catalog was away while the order was made and sold; before it hears of that, a sale of the
// same SKU and size gets the item.
TEST_F(WithCatalogTest, ASaleThatTheCatalogHearsOfLateStillGetsItsItem) {
  ASSERT_OK(Import(ReportOfOne(0)));
  const std::string order = "orders/" + database_.QueryText("SELECT id FROM transactions.orders");
  const std::string item = database_.QueryText("SELECT inventory_item_id FROM transactions.orders");
  ASSERT_OK(Deliver());
  ASSERT_OK(Move(order, pb::ORDER_STATUS_RETURNED));
  ASSERT_OK(Deliver());
  ASSERT_OK_AND_ASSIGN(pb::Order late, Create("ebay_1", item, 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Complete(late.name()));

  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOfOne(1)));

  EXPECT_EQ(batch.quarantined_count(), 1);
  ExpectSettled();
  EXPECT_EQ(StatusOfItem(item), "sold");
  EXPECT_EQ(database_.QueryText("SELECT order_id FROM products.item_orders WHERE"
                                " inventory_item_id = '" +
                                item + "'"),
            late.name().substr(7));
}

}  // namespace
}  // namespace lockstep::orders
