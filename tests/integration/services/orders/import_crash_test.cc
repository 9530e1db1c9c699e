// An import and the delivery of its events, with orders killed at every point between two steps and
// the catalog around its commits. Running again must leave every sale with one order and one item,
// and nothing to reconcile. What other changes of orders do is in life_crash_test.cc.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "lockstep/orders/v1/import_service.grpc.pb.h"
#include "tests/integration/services/orders/crash_fixture.h"
#include "tests/unit/services/orders/report_builder.h"

namespace lockstep::orders {
namespace {

constexpr int kRows = 45;
constexpr int kStock = 20;  // items that the first rows match by SKU and size

std::string Report() {
  ReportBuilder report;
  for (int i = 0; i < kRows; ++i) {
    report.Add(std::to_string(10'000'000 + i) + "-20000000",
               {{"Style", i < kStock ? "DD1391-100" : "AB" + std::to_string(1'000 + i) + "-100"},
                {"Item", "Nike Dunk Low " + std::to_string(i < kStock ? 0 : i)}});
  }
  return report.text();
}

class ImportCrash : public CrashTest {
 protected:
  ImportCrash() : CrashTest(kStock) {}

  static absl::StatusOr<pb::ImportBatch> Import(const std::string& address) {
    const auto stub = pb::ImportService::NewStub(rpc::MakeChannel(address, {.retries = false}));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    pb::ImportReportResponse response;
    const auto writer = stub->ImportReport(&context, &response);
    pb::ImportReportRequest message;
    message.mutable_header()->set_platform("stockx");
    writer->Write(message);
    message.set_chunk(Report());
    writer->Write(message);
    writer->WritesDone();
    const absl::Status status = rpc::FromGrpc(writer->Finish());
    if (!status.ok()) return status;
    return response.batch();
  }
  // Imports as a user would: again until the dead import is taken for dead.
  static absl::StatusOr<pb::ImportBatch> ImportPatiently(const std::string& address) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (true) {
      absl::StatusOr<pb::ImportBatch> batch = Import(address);
      const std::string reason = ReasonOf(batch.status());
      if (batch.ok() || absl::Now() > deadline ||
          (reason != "IMPORT_RUNNING" && reason != "CATALOG_UNREACHABLE")) {
        return batch;
      }
    }
  }

  void ExpectEverythingOnce(const std::string& address) {
    const pb::ReconcileItemsResponse differences = Reconcile(address);
    EXPECT_EQ(differences.differences_size(), 0) << differences.DebugString();
    EXPECT_EQ(differences.pending_event_count(), 0);
    EXPECT_EQ(differences.completed_order_count(), kRows);
    EXPECT_EQ(database_.QueryText("SELECT count(*) || ' ' || count(DISTINCT inventory_item_id) ||"
                                  " ' ' || sum(gross_sale) FROM transactions.orders"),
              "45 45 4500.00");
    // Twenty rows found their item, each of the others has a placeholder of its own.
    EXPECT_EQ(database_.QueryText("SELECT count(*) || ' ' || count(*) FILTER (WHERE status ="
                                  " 'sold') FROM products.inventory"),
              "45 45");
    EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.orders"
                                  " WHERE net_profit = 39.17"),
              "20");
    EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.order_events"), "45");
  }
};

// Names of the points that an undisturbed import and delivery pass, and how often.
std::map<std::string, int> ReadPoints(const std::string& path) {
  std::map<std::string, int> points;
  std::ifstream file(path);
  for (std::string name; std::getline(file, name);) ++points[name];
  return points;
}

TEST_F(ImportCrash, PassesTheKnownPoints) {
  const std::string record = ::testing::TempDir() + "/orders_points_" + std::to_string(getpid());
  std::filesystem::remove(record);
  {
    const auto orders = StartOrders({{"LOCKSTEP_KILLPOINT_RECORD", record}});
    const std::string address = orders->Address();
    ASSERT_OK(Import(address));
    ExpectEverythingOnce(address);
    orders->Signal(SIGTERM);
    EXPECT_EQ(orders->Wait(), 0) << orders->Log();
  }
  const std::map<std::string, int> points = ReadPoints(record);
  std::filesystem::remove(record);
  std::set<std::string> names;
  for (const auto& [name, hits] : points) names.insert(name);
  EXPECT_THAT(names,
              ::testing::IsSupersetOf(
                  {"orders.import.batch_opened", "orders.import.set_resolved",
                   "orders.import.orders_written", "orders.import.set_written",
                   "orders.import.set_committed", "orders.import.before_completion",
                   "orders.import.completed", "orders.dispatch.before_delivery",
                   "orders.dispatch.after_delivery", "outbox.claimed", "outbox.delivered",
                   "outbox.marked", "pg.before_commit", "pg.commit_sent", "pg.after_commit"}));
  EXPECT_EQ(points.at("orders.import.set_committed"), 5) << "45 rows in sets of ten";
}

class KilledAt : public ImportCrash, public ::testing::WithParamInterface<const char*> {};

TEST_P(KilledAt, LosesAndDoublesNothing) {
  {
    const auto orders = StartOrders({{"LOCKSTEP_KILLPOINT", GetParam()}});
    const std::string address = orders->Address();
    EXPECT_FALSE(address.empty());
    // The import may be answered before the process dies in the delivery of its events.
    (void)Import(address);
    ASSERT_TRUE(orders->WasKilled(kPatience)) << orders->Log();
  }
  const auto orders = StartOrders({});
  const std::string address = orders->Address();
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, ImportPatiently(address));
  EXPECT_EQ(batch.row_count(), kRows);
  EXPECT_EQ(batch.inserted_count() + batch.unchanged_count(), kRows);
  ExpectEverythingOnce(address);
}

INSTANTIATE_TEST_SUITE_P(
    Points, KilledAt,
    ::testing::Values("orders.import.batch_opened", "orders.import.set_resolved",
                      "orders.import.set_resolved:3", "orders.import.orders_written:2",
                      "orders.import.set_written:2", "orders.import.set_committed:2",
                      "orders.import.before_completion", "orders.import.completed",
                      "pg.before_commit:3", "pg.commit_sent:3", "pg.after_commit:3",
                      "outbox.claimed", "orders.dispatch.before_delivery",
                      "orders.dispatch.after_delivery", "outbox.delivered", "outbox.marked"),
    PointName);

class CatalogKilledAt : public ImportCrash, public ::testing::WithParamInterface<const char*> {};

TEST_P(CatalogKilledAt, LosesAndDoublesNothing) {
  const auto orders = StartOrders({});
  const std::string address = orders->Address();
  RestartCatalog({{"LOCKSTEP_KILLPOINT", GetParam()}});
  // The import may be answered before the catalog dies of the events.
  (void)Import(address);
  ASSERT_TRUE(catalog_->WasKilled(kPatience)) << catalog_->Log();
  RestartCatalog({});
  ASSERT_OK_AND_ASSIGN(pb::ImportBatch batch, ImportPatiently(address));
  EXPECT_EQ(batch.inserted_count() + batch.unchanged_count(), kRows);
  ExpectEverythingOnce(address);
}

// The first five commits that change something are those of the sets, then come those of the sales.
INSTANTIATE_TEST_SUITE_P(Points, CatalogKilledAt,
                         ::testing::Values("pg.before_commit:2", "pg.commit_sent:2",
                                           "pg.after_commit:2", "pg.after_commit:5",
                                           "pg.after_commit:6"),
                         PointName);

}  // namespace
}  // namespace lockstep::orders
