// Imports and the items of their sales: what is sold, given back, and never sold twice.
#include <string>
#include <thread>
#include <utility>

#include "tests/integration/services/orders/import_fixture.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

class ImportItemsTest : public ImportTest {};

TEST_F(ImportItemsTest, ReleasesTheItemOfASaleThatIsSetAside) {
  // The catalog keeps an item for this sale that was bought after it: no shelf life can be stored.
  const std::string item = NewItem("1.00", "'2030-02-01'");
  database_.Execute(
      "INSERT INTO products.item_orders (inventory_item_id, platform_id,"
      " external_order_id, status) SELECT '" +
      item + "', id, 'stockx_" + Number(0) +
      "', 'reserved' FROM core.platforms WHERE slug = 'stockx'");
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(1)));
  EXPECT_EQ(batch.quarantined_count(), 1);
  EXPECT_EQ(Records(batch.name(), "")[0].problems(0).reason(), "SALE_BEFORE_PURCHASE");
  EXPECT_THAT(Deliver(), lockstep::testing::IsOkAndHolds(1));
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse differences, Reconcile());
  EXPECT_EQ(differences.differences_size(), 0) << differences.DebugString();
}

TEST_F(ImportItemsTest, SellsMatchedItemsThroughTheOutbox) {
  const std::string item = NewItem("50.00", "'2024-02-01'");
  database_.Execute(
      "INSERT INTO products.item_orders (inventory_item_id, platform_id,"
      " external_order_id, status) SELECT '" +
      item + "', id, 'stockx_" + Number(0) +
      "', 'reserved' FROM core.platforms WHERE slug = 'stockx'");
  ASSERT_OK(Import(ReportOf(2)));
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse before, Reconcile());
  EXPECT_EQ(before.pending_event_count(), 1);
  EXPECT_EQ(before.differences_size(), 0) << "the event is under way";
  EXPECT_THAT(Deliver(), lockstep::testing::IsOkAndHolds(1));
  EXPECT_EQ(database_.QueryText("SELECT status FROM products.inventory WHERE id = '" + item + "'"),
            "sold");
  EXPECT_EQ(database_.QueryText("SELECT net_profit || ' ' || roi || ' ' || shelf_life_days"
                                " FROM transactions.orders WHERE inventory_item_id = '" +
                                item + "'"),
            "39.17 78.34 29");
}

TEST_F(ImportItemsTest, GivesBackWhatWasResolvedForASaleThatSomebodyRecordedMeanwhile) {
  const std::string item = NewItem();
  bool is_recorded = false;
  catalog_.on_resolve = [&] {
    if (std::exchange(is_recorded, true)) return;
    ASSERT_OK(Create("stockx_" + Number(0), item, 100, "2024-03-01T12:00:00Z"));
  };
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(2)));
  EXPECT_EQ(batch.updated_count(), 1);
  EXPECT_EQ(batch.inserted_count(), 1);
  ASSERT_OK(Deliver());
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM products.item_orders WHERE"
                                " external_order_id = 'stockx_" +
                                Number(0) + "' AND inventory_item_id <> '" + item + "'"),
            "0");
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse differences, Reconcile());
  EXPECT_EQ(differences.differences_size(), 0) << differences.DebugString();
}

TEST_F(ImportItemsTest, APayoutThatWasRecordedByHandIsStillTheSame) {
  ASSERT_OK_AND_ASSIGN(pb::Order order,
                       Create("stockx_" + Number(0), NewItem(), 100, "2024-03-01T12:00:00Z"));
  pb::RecordPayoutRequest request;
  request.set_name(order.name());
  request.mutable_amount()->set_currency_code("EUR");
  request.mutable_amount()->set_units(90);
  request.mutable_payout_date()->set_seconds(1'709'467'200);  // 2024-03-03T12:00:00Z
  request.set_reference("bank-1");
  ASSERT_OK(Call(*orders_, &pb::OrderService::Stub::RecordPayout, request));
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(1)));
  EXPECT_EQ(batch.updated_count(), 1);
  EXPECT_OK(Call(*orders_, &pb::OrderService::Stub::RecordPayout, request));
  request.set_reference("bank-2");
  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::RecordPayout, request),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("PAYOUT_RECORDED")));
}

TEST_F(ImportItemsTest, APayoutWithoutAnInvoiceNumberIsAPayout) {
  ReportBuilder::Row row = ReportBuilder::Standard(Number(0));
  row["Invoice Number"] = "";
  ReportBuilder report;
  report.Add(row);
  ASSERT_OK(Import(report.text()));
  pb::RecordPayoutRequest request;
  request.set_name("orders/" + database_.QueryText("SELECT id FROM transactions.orders"));
  request.mutable_amount()->set_currency_code("EUR");
  request.mutable_amount()->set_units(1);
  request.mutable_payout_date()->set_seconds(1'909'467'200);
  request.set_reference("bank-1");

  EXPECT_THAT(Call(*orders_, &pb::OrderService::Stub::RecordPayout, request),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("PAYOUT_RECORDED")));
}

TEST_F(ImportItemsTest, SellsAnItemOnce) {
  const std::string item = NewItem();
  ASSERT_OK(Create("stockx_" + Number(0), item, 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Create("stockx_" + Number(1), item, 100, "2024-03-01T12:00:00Z"));
  // The catalog, which has not heard of any sale yet, gives the item to a third sale.
  database_.Execute(
      "INSERT INTO products.item_orders (inventory_item_id, platform_id,"
      " external_order_id, status) SELECT '" +
      item + "', id, 'stockx_" + Number(2) +
      "', 'reserved' FROM core.platforms WHERE slug = 'stockx'");
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(4)));
  EXPECT_EQ(batch.updated_count(), 1);
  EXPECT_EQ(batch.inserted_count(), 1);
  EXPECT_EQ(batch.quarantined_count(), 2);
  for (const pb::ImportRecord& record : Records(batch.name(), "outcome = quarantined")) {
    EXPECT_EQ(record.problems(0).reason(), "ITEM_SOLD");
  }
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders WHERE status ="
                                " 'completed' AND inventory_item_id = '" +
                                item + "'"),
            "1");
  // Again alone: the sale before is in the database now. The unit that was kept is given back.
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch again, Import(ReportOf(1, 1)));
  EXPECT_EQ(again.quarantined_count(), 1);
  ASSERT_OK(Deliver());
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM products.item_orders WHERE"
                                " external_order_id = 'stockx_" +
                                Number(2) + "'"),
            "0");
}

TEST_F(ImportItemsTest, EveryUnitOfAnItemIsSoldOnce) {
  const std::string item = NewItem();
  database_.Execute("UPDATE products.inventory SET quantity = 2 WHERE id = '" + item + "'");
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(Create("stockx_" + Number(i), item, 100, "2024-03-01T12:00:00Z"));
  }
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(3)));
  EXPECT_EQ(batch.updated_count(), 2);
  EXPECT_EQ(batch.quarantined_count(), 1);
}

TEST_F(ImportItemsTest, WaitsForASaleOfTheSameItemThatIsUnderWay) {
  const std::string item = NewItem();
  ASSERT_OK_AND_ASSIGN(pb::Order by_hand, Create("ebay_1", item, 100, "2024-03-01T12:00:00Z"));
  ASSERT_OK(Create("stockx_" + Number(0), item, 100, "2024-03-01T12:00:00Z"));
  database_.Execute("UPDATE transactions.orders SET status = 'authenticated' WHERE id = '" +
                    by_hand.name().substr(7) + "'");
  absl::StatusOr<pb::ImportBatch> batch;
  std::thread importing;
  ASSERT_OK(pool_.Write(Context::WithTimeout(absl::Seconds(30)), [&](pg::Tx& tx) -> absl::Status {
    ASSIGN_OR_RETURN(OrderId id, OrderId::Parse(by_hand.name().substr(7)));
    RETURN_IF_ERROR(TransitionOrder(tx, id, OrderStatus::kCompleted, "", "", "").status());
    importing = std::thread([&] { batch = Import(ReportOf(1)); });
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    std::string waiting = "0";
    while (waiting == "0" && absl::Now() < deadline) {
      waiting = database_.QueryText(
          "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND"
          " database = (SELECT oid FROM pg_database WHERE datname = current_database())");
    }
    EXPECT_EQ(waiting, "1");
    return absl::OkStatus();
  }));
  importing.join();
  ASSERT_OK(batch);
  EXPECT_EQ(batch->quarantined_count(), 1);
}

}  // namespace
}  // namespace lockstep::orders
