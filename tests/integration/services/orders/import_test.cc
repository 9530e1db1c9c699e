// ImportReport end to end inside one process.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/json/json.h"
#include "tests/integration/services/orders/import_fixture.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

TEST_F(ImportTest, MakesOrdersWithItemsHistoryAndRecords) {
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(25)));
  EXPECT_EQ(batch.state(), pb::IMPORT_STATE_COMPLETED);
  EXPECT_EQ(batch.row_count(), 25);
  EXPECT_EQ(batch.inserted_count(), 25);
  EXPECT_EQ(batch.itemised_count(), 25);
  EXPECT_EQ(batch.file_name(), "report.csv");
  ASSERT_EQ(batch.totals_size(), 1);
  EXPECT_EQ(batch.totals(0).gross_sale().units(), 2'500);
  EXPECT_EQ(catalog_.resolve_calls, 3) << "one call for each set of ten";

  pb::LookupOrderRequest lookup;
  lookup.set_platform("platforms/stockx");
  lookup.set_external_id("stockx_" + Number(3));
  ASSERT_OK_AND_ASSIGN(pb::Order order,
                       Call(*orders_, &pb::OrderService::Stub::LookupOrder, lookup));
  EXPECT_EQ(order.status(), pb::ORDER_STATUS_COMPLETED);
  EXPECT_EQ(order.stockx_order_number(), Number(3));
  EXPECT_TRUE(order.payout_received());
  EXPECT_EQ(order.net_proceeds().units(), 89);
  EXPECT_EQ(order.net_proceeds().nanos(), 170'000'000);
  EXPECT_FALSE(order.has_net_profit()) << "a placeholder has no purchase price";
  const nlohmann::json raw = nlohmann::json::parse(order.raw_data());
  EXPECT_EQ(raw["report"]["Seller Fee"], "7");
  EXPECT_EQ(raw["fees"]["itemisation"], "exact");
  EXPECT_EQ(order.raw_data().find("Mustermann"), std::string::npos);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.import_records"
                                " WHERE source_data::text LIKE '%Mustermann%'"),
            "0");

  pb::ListOrderEventsRequest events;
  events.set_parent(order.name());
  ASSERT_OK_AND_ASSIGN(pb::ListOrderEventsResponse history,
                       Call(*orders_, &pb::OrderService::Stub::ListOrderEvents, events));
  ASSERT_EQ(history.events_size(), 1);
  EXPECT_EQ(history.events(0).kind(), "imported");
  EXPECT_EQ(history.events(0).reference(), "90000001-" + Number(3));
  EXPECT_EQ(history.events(0).to_status(), pb::ORDER_STATUS_COMPLETED);

  ASSERT_OK_AND_ASSIGN(pb::ImportBatch again, Batch(batch.name()));
  EXPECT_EQ(again.inserted_count(), 25);
  EXPECT_EQ(again.totals(0).net_proceeds().units(), batch.totals(0).net_proceeds().units());
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse differences, Reconcile());
  EXPECT_EQ(differences.differences_size(), 0) << differences.DebugString();
  EXPECT_EQ(differences.completed_order_count(), 25);
}

TEST_F(ImportTest, ASecondImportChangesNothing) {
  ASSERT_OK(Import(ReportOf(25)));
  const std::string digest =
      "SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM transactions.orders o";
  const std::string before = database_.QueryText(digest);
  const int calls = catalog_.resolve_calls;
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(25), "", 13));
  EXPECT_EQ(batch.unchanged_count(), 25);
  EXPECT_EQ(batch.inserted_count() + batch.updated_count(), 0);
  EXPECT_EQ(database_.QueryText(digest), before);
  EXPECT_EQ(catalog_.resolve_calls, calls) << "nothing to resolve";
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.order_events"), "25");
}

TEST_F(ImportTest, UpdatesMigratedHistoryInsteadOfDoublingIt) {
  const std::string item = NewItem("80.00", "'2024-02-01'");
  database_.Execute(
      "INSERT INTO transactions.orders (platform_id, inventory_item_id, external_id,"
      " stockx_order_number, status, sold_at, gross_sale, platform_fee, shipping_cost,"
      " net_proceeds, net_profit, payout_received, raw_data)"
      " SELECT id, '" +
      item + "', 'stockx_" + Number(0) + "', '" + Number(0) +
      "', 'completed', '2024-03-01 12:30:00+00', 100.00, 7.00, 0.00, 93.00, 0.00, NULL,"
      " '{\"migrated_from\": \"transactions\"}' FROM core.platforms WHERE slug = 'stockx'");
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(1)));
  EXPECT_EQ(batch.updated_count(), 1);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders"), "1");
  EXPECT_EQ(database_.QueryText("SELECT concat_ws(' ', platform_fee, shipping_cost, net_proceeds,"
                                " net_profit, roi, payout_received, shelf_life_days, currency_code)"
                                " FROM transactions.orders"),
            "10.00 0.83 89.17 9.17 11.46 t 29 EUR");
  const nlohmann::json raw =
      nlohmann::json::parse(database_.QueryText("SELECT raw_data FROM transactions.orders"));
  EXPECT_EQ(raw["migrated_from"], "transactions");
  ASSERT_EQ(raw["previous"].size(), 1U);
  EXPECT_EQ(raw["previous"][0]["platform_fee"], "7.00");
  EXPECT_EQ(raw["previous"][0]["net_proceeds"], "93.00");
  EXPECT_TRUE(raw["previous"][0]["payout_received"].is_null());
  EXPECT_EQ(catalog_.resolve_calls, 0) << "the order has its item";
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch again, Import(ReportOf(1)));
  EXPECT_EQ(again.unchanged_count(), 1);
}

TEST_F(ImportTest, SkipsRowsOlderThanTheStoredOrder) {
  ASSERT_OK(Import(ReportOf(1)));
  database_.Execute("UPDATE transactions.orders SET last_stockx_updated_at = '2030-01-01'");
  ReportBuilder report;
  report.Add(Number(0), {{"Listing Price", "101"}});
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(report.text()));
  EXPECT_EQ(batch.skipped_count(), 1);
  EXPECT_EQ(database_.QueryText("SELECT gross_sale FROM transactions.orders"), "100.00");
}

TEST_F(ImportTest, QuarantinesBadRowsAndGoesOn) {
  // An order of another platform with a StockX number, and one that was cancelled.
  database_.Execute(
      "INSERT INTO transactions.orders (platform_id, inventory_item_id, stockx_order_number, "
      "status)"
      " SELECT id, '" +
      NewItem() + "', '" + Number(100) +
      "', 'pending' FROM core.platforms WHERE slug = 'ebay';"
      "INSERT INTO transactions.orders (platform_id, inventory_item_id, external_id, status)"
      " SELECT id, '" +
      NewItem() + "', 'stockx_" + Number(101) +
      "', 'cancelled' FROM core.platforms WHERE slug = 'stockx'");
  ReportBuilder report;
  report.Add(Number(0), {})
      .Add(Number(1), {{"Sale Date", ""}})
      .Add(Number(2), {{"Listing Price", "-1"}})
      .Add(Number(3), {{"Listing Price Currency", "XXQ"}})
      .Add(Number(0), {})
      .Add(Number(1), {})
      .Add(Number(100), {})
      .Add(Number(101), {});
  for (int i = 10; i < 20; ++i) report.Add(Number(i), {});
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(report.text()));
  EXPECT_EQ(batch.state(), pb::IMPORT_STATE_COMPLETED);
  EXPECT_EQ(batch.row_count(), 18);
  EXPECT_EQ(batch.inserted_count(), 12);
  EXPECT_EQ(batch.quarantined_count(), 6);
  std::vector<std::string> reasons;
  for (const pb::ImportRecord& record : Records(batch.name(), "outcome = quarantined")) {
    ASSERT_GT(record.problems_size(), 0);
    reasons.push_back(record.problems(0).reason());
    EXPECT_EQ(record.order(), "");
    EXPECT_FALSE(record.external_id().empty());
    EXPECT_FALSE(nlohmann::json::parse(record.source_data())["Order Number"].empty());
  }
  EXPECT_THAT(reasons, ::testing::ElementsAre("SALE_TIME_MISSING", "AMOUNT_NEGATIVE",
                                              "CURRENCIES_DIFFER", "ORDER_NUMBER_REPEATED",
                                              "ORDER_OF_OTHER_PLATFORM", "ORDER_CANCELLED"));
  EXPECT_EQ(Records(batch.name(), "outcome = inserted AND fee_itemisation = exact").size(), 12U);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders"), "14");
}

TEST_F(ImportTest, WhiteSpaceIsNoItemName) {
  ReportBuilder::Row row = ReportBuilder::Standard(Number(0));
  row["Item"] = "\f\v";
  ReportBuilder report;
  report.Add(row).Add(ReportBuilder::Standard(Number(1)));

  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(report.text()));

  EXPECT_EQ(batch.quarantined_count(), 1);
  EXPECT_EQ(batch.inserted_count(), 1);
}

TEST_F(ImportTest, AWrongHeaderOrEncodingRefusesTheFile) {
  EXPECT_THAT(Import("a,b,c\n1,2,3\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REPORT_COLUMNS_MISSING")));
  EXPECT_THAT(Import(""),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REPORT_COLUMNS_MISSING")));
  EXPECT_THAT(Import("\xFF\xFES\0e\0l\0"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("CSV_ENCODING_BROKEN")));
  EXPECT_THAT(Import(ReportOf(1), "", 777, "platforms/ebay"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REPORT_FORMAT_UNKNOWN")));
  EXPECT_THAT(Import(ReportOf(1), "", 777, "platforms/nowhere"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PLATFORM_UNKNOWN")));
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.import_batches"), "0");
}

TEST_F(ImportTest, AnEmptyReportIsAnEmptySuccess) {
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(0)));
  EXPECT_EQ(batch.state(), pb::IMPORT_STATE_COMPLETED);
  EXPECT_EQ(batch.row_count(), 0);
}

TEST_F(ImportTest, BrokenQuotingEndsTheBatchAndEarlierSetsStay) {
  std::string text = ReportOf(25);
  text += "\"open\"quote,";
  const absl::Status status = Import(text).status();
  ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, Reason("CSV_QUOTING_BROKEN")));
  EXPECT_EQ(MetadataOf(status, "line"), "52") << "each row has a line break inside";
  EXPECT_FALSE(MetadataOf(status, "byte").empty());
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Batch(MetadataOf(status, "import_batch")));
  EXPECT_EQ(batch.state(), pb::IMPORT_STATE_FAILED);
  EXPECT_FALSE(batch.error_message().empty());
  // Two sets of ten rows were complete, the second on its way: both stay, and the catalog keeps
  // nothing for rows that have no order.
  EXPECT_EQ(batch.inserted_count(), 20);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders"), "20");
  ASSERT_OK(Deliver());
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse differences, Reconcile());
  EXPECT_EQ(differences.differences_size(), 0) << differences.DebugString();
  // The file mended, everything is there once.
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch mended, Import(ReportOf(25)));
  EXPECT_EQ(mended.inserted_count() + mended.unchanged_count(), 25);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders"), "25");
}

TEST_F(ImportTest, ACatalogThatIsAwayEndsTheImportAndARepetitionMendsIt) {
  int calls = 0;
  catalog_.on_resolve = [&] { catalog_.is_down = ++calls >= 2; };
  const absl::Status status = Import(ReportOf(45)).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, Reason("CATALOG_UNREACHABLE")));
  catalog_.is_down = false;
  catalog_.on_resolve = nullptr;
  ASSERT_OK(Import(ReportOf(45)));
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders"), "45");
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM products.item_orders"), "45");
  ASSERT_OK_AND_ASSIGN(pb::ReconcileItemsResponse differences, Reconcile());
  EXPECT_EQ(differences.differences_size(), 0) << differences.DebugString();
}

TEST_F(ImportTest, OneImportOfAPlatformAtATimeAndADeadOneIsTakenOver) {
  database_.Execute(
      "INSERT INTO transactions.import_batches (source_type, status, updated_at)"
      " VALUES ('stockx', 'processing', clock_timestamp())");
  EXPECT_THAT(Import(ReportOf(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("IMPORT_RUNNING")));
  database_.Execute(
      "UPDATE transactions.import_batches"
      " SET updated_at = clock_timestamp() - interval '3 seconds'");
  ASSERT_OK(Import(ReportOf(1)));
  EXPECT_EQ(database_.QueryText("SELECT string_agg(status, ' ' ORDER BY created_at)"
                                " FROM transactions.import_batches"),
            "failed completed");
}

TEST_F(ImportTest, AnImportThatWasTakenOverWritesNothingMore) {
  // Another import takes the place of this one while it resolves its second set.
  int calls = 0;
  catalog_.on_resolve = [&] {
    if (++calls == 2) {
      database_.Execute("UPDATE transactions.import_batches SET status = 'failed'");
    }
  };
  EXPECT_THAT(Import(ReportOf(45)),
              StatusIs(absl::StatusCode::kAborted, Reason("IMPORT_TAKEN_OVER")));
  const int stored = std::stoi(database_.QueryText("SELECT count(*) FROM transactions.orders"));
  EXPECT_LE(stored, 10);
}

TEST_F(ImportTest, TheSameRequestGetsTheSameAnswer) {
  const std::string id = ids::Uuid::Generate().text();
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch first, Import(ReportOf(3), id));
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch second, Import(ReportOf(3), id, 100));
  EXPECT_EQ(second.SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.import_batches"), "1");
  EXPECT_THAT(Import(ReportOf(4), id),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REQUEST_ID_REUSED")));
}

TEST_F(ImportTest, EqualRequestsAtOnceHaveOneEffectAndOneAnswer) {
  const std::string id = ids::Uuid::Generate().text();
  std::vector<absl::StatusOr<pb::ImportBatch>> answers(8, absl::UnknownError("no answer"));
  std::vector<std::thread> threads;
  for (auto& answer : answers) {
    threads.emplace_back([&] { answer = Import(ReportOf(3), id); });
  }
  for (std::thread& thread : threads) thread.join();

  std::set<std::string> different;
  for (const auto& answer : answers) {
    if (answer.ok()) {
      different.insert(answer->SerializeAsString());
    } else {
      EXPECT_THAT(answer,
                  StatusIs(absl::StatusCode::kFailedPrecondition, Reason("IMPORT_RUNNING")));
    }
  }
  EXPECT_EQ(different.size(), 1U);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.import_batches"), "1");
}

TEST_F(ImportTest, AStreamWithoutHeaderIsRefused) {
  grpc::ClientContext context;
  pb::ImportReportResponse response;
  const auto writer = imports_->ImportReport(&context, &response);
  pb::ImportReportRequest message;
  message.set_chunk("Order Number\n");
  writer->Write(message);
  writer->WritesDone();
  EXPECT_THAT(rpc::FromGrpc(writer->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("HEADER_MISSING")));
}

TEST_F(ImportTest, ACancelledStreamEndsTheBatch) {
  {
    grpc::ClientContext context;
    pb::ImportReportResponse response;
    const auto writer = imports_->ImportReport(&context, &response);
    pb::ImportReportRequest message;
    message.mutable_header()->set_platform("stockx");
    ASSERT_TRUE(writer->Write(message));
    message.set_chunk(ReportOf(25));
    ASSERT_TRUE(writer->Write(message));
    context.TryCancel();
    EXPECT_FALSE(writer->Finish().ok());
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  std::string running;
  do {
    running = database_.QueryText(
        "SELECT count(*) FROM transactions.import_batches WHERE status = 'processing'");
  } while (running != "0" && absl::Now() < deadline);
  EXPECT_EQ(running, "0");
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(ReportOf(25)));
  EXPECT_EQ(batch.inserted_count() + batch.unchanged_count(), 25);
}

TEST_F(ImportTest, ListsBatchesNewestFirst) {
  ASSERT_OK(Import(ReportOf(1)));
  ASSERT_OK(Import(ReportOf(2)));
  pb::ListImportBatchesRequest request;
  request.set_filter("platform = platforms/stockx AND state = completed");
  ASSERT_OK_AND_ASSIGN(pb::ListImportBatchesResponse page,
                       Call(*imports_, &pb::ImportService::Stub::ListImportBatches, request));
  ASSERT_EQ(page.batches_size(), 2);
  EXPECT_EQ(page.batches(0).row_count(), 2);
}

TEST_F(ImportTest, TheRealReportReconcilesToTheCent) {
  const std::string path =
      lockstep::testing::SourceDir() + "/../shared/data/stockx_seller_report.csv";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "the real report is not part of the repository";
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, Import(text, "", 5'000));
  EXPECT_EQ(batch.inserted_count(), 564);
  EXPECT_EQ(batch.quarantined_count(), 0);
  EXPECT_EQ(batch.itemised_count(), 376);
  EXPECT_EQ(batch.rounded_count(), 106);
  EXPECT_EQ(batch.unitemised_count(), 82);
  EXPECT_EQ(database_.QueryText("SELECT sum(gross_sale) || ' ' || sum(net_proceeds) || ' ' ||"
                                " sum(gross_sale - platform_fee - shipping_cost - net_proceeds)"
                                " FROM transactions.orders"),
            "56169.00 49549.98 0.00");
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch again, Import(text, "", 5'000));
  EXPECT_EQ(again.unchanged_count(), 564);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders WHERE raw_data::text"
                                " ~ 'Example (Seller|Street)'"),
            "0");
}

}  // namespace
}  // namespace lockstep::orders
