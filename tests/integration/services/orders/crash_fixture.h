// The real orders and catalog processes on a database of their own, to be killed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/pg/pool.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "lockstep/orders/v1/order_service.grpc.pb.h"
#include "tests/integration/services/orders/child_process.h"
#include "tests/support/test_database.h"

namespace lockstep::orders {

namespace pb = lockstep::orders::v1;

inline constexpr absl::Duration kPatience = absl::Seconds(40);

class CrashTest : public ::testing::Test {
 protected:
  // `stock` items of SKU DD1391-100 in size 10.5.
  explicit CrashTest(int stock) : database_(lockstep::testing::TestDatabase::CreateMigrated()) {
    database_.Execute(
        "INSERT INTO products.categories (name, slug) SELECT 'Sneakers', 'sneakers' WHERE NOT"
        "  EXISTS (SELECT FROM products.categories WHERE slug = 'sneakers');"
        "INSERT INTO products.products (sku, name, category_id) SELECT 'DD1391-100',"
        "  'Nike Dunk Low', id FROM products.categories WHERE slug = 'sneakers';"
        "INSERT INTO products.sizes (value, region) SELECT '10.5', 'US' WHERE NOT EXISTS"
        "  (SELECT FROM products.sizes WHERE value = '10.5' AND region = 'US'"
        "   AND category_id IS NULL);"
        "INSERT INTO products.inventory (product_id, size_id, purchase_price, purchase_date)"
        "  SELECT p.id, s.id, 50.00, '2024-02-01' FROM products.products p, products.sizes s,"
        "   generate_series(1, " +
        std::to_string(stock) +
        ") WHERE p.sku = 'DD1391-100' AND s.value = '10.5' AND s.region = 'US'"
        "   AND s.category_id IS NULL");
    catalog_ = StartCatalog({});
    catalog_address_ = catalog_->Address();
  }

  std::unique_ptr<ChildProcess> StartCatalog(std::map<std::string, std::string> environment,
                                             const std::string& listen = "127.0.0.1:0") const {
    environment["LOCKSTEP_DATABASE_URL"] = database_.url("catalog_app");
    environment["LOCKSTEP_ENDPOINT_MIGRATION"] = "";
    return std::make_unique<ChildProcess>(
        "lockstep-catalog", std::vector<std::string>{"--listen", listen, "--drain-delay", "0"},
        environment);
  }
  std::unique_ptr<ChildProcess> StartOrders(std::map<std::string, std::string> environment) const {
    environment["LOCKSTEP_DATABASE_URL"] = database_.url("orders_app");
    environment["LOCKSTEP_ENDPOINT_MIGRATION"] = "";
    return std::make_unique<ChildProcess>(
        "lockstep-orders",
        std::vector<std::string>{"--listen", "127.0.0.1:0", "--drain-delay", "0",
                                 "--endpoint-catalog", catalog_address_, "--import-set-size", "10",
                                 "--import-lease", "1s", "--event-lease", "2s"},
        environment);
  }

  static pb::ReconcileItemsResponse Reconcile(const std::string& address) {
    const auto stub = pb::OrderService::NewStub(rpc::MakeChannel(address));
    const absl::Time deadline = absl::Now() + kPatience;
    pb::ReconcileItemsResponse response;
    do {
      grpc::ClientContext context;
      const absl::Status status =
          rpc::FromGrpc(stub->ReconcileItems(&context, pb::ReconcileItemsRequest(), &response));
      if (!status.ok()) ADD_FAILURE() << status;
    } while (response.pending_event_count() > 0 && absl::Now() < deadline);
    return response;
  }

  // Kills the catalog and starts it again at the same place, with `environment`.
  void RestartCatalog(const std::map<std::string, std::string>& environment) {
    catalog_->Signal(SIGKILL);
    catalog_->Wait();
    catalog_ = StartCatalog(environment, catalog_address_);
    EXPECT_FALSE(catalog_->Address().empty());
  }

  lockstep::testing::TestDatabase database_;
  std::unique_ptr<ChildProcess> catalog_;
  std::string catalog_address_;
};

// A kill point as part of a test's name.
inline std::string PointName(const ::testing::TestParamInfo<const char*>& point) {
  std::string name = point.param;
  for (char& c : name) {
    if (c == '.' || c == ':') c = '_';
  }
  return name;
}

}  // namespace lockstep::orders
