// The orders services over a migrated database of the test's own, in this process, with a catalog
// that stands in for the real one.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/outbox/dispatcher.h"
#include "common/paging/page_signer.h"
#include "common/pg/pool.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "lockstep/orders/v1/import_service.grpc.pb.h"
#include "lockstep/orders/v1/order_service.grpc.pb.h"
#include "services/orders/catalog_client.h"
#include "services/orders/import_service.h"
#include "services/orders/item_events.h"
#include "services/orders/order_commands.h"
#include "services/orders/order_service.h"
#include "services/orders/plumbing.h"
#include "tests/support/call.h"
#include "tests/support/test_database.h"

namespace lockstep::orders {

using ::lockstep::testing::Call;

namespace pb = lockstep::orders::v1;

// Stands in for the catalog with as much of its rules as most tests of orders need, in plain SQL:
// every sale without an item gets a placeholder, and a sale marks whatever item it names. Tests
// about who gets which item use the real one (with_catalog_test.cc).
class SqlCatalog final : public Catalog {
 public:
  explicit SqlCatalog(pg::Pool& pool) : pool_(pool) {}

  absl::StatusOr<std::vector<ResolvedItem>> ResolveSoldItems(
      const Context& context, std::string_view platform,
      std::span<const ReportedSale* const> sales) override {
    ++resolve_calls;
    if (is_down) return Error(absl::StatusCode::kUnavailable, "CATALOG_UNREACHABLE", "down");
    if (on_resolve) on_resolve();
    std::vector<std::string> ids;
    for (const ReportedSale* sale : sales) ids.push_back(sale->external_id);
    return pool_.Write(context, [&](pg::Tx& tx) -> absl::StatusOr<std::vector<ResolvedItem>> {
      RETURN_IF_ERROR(
          tx.Execute("WITH new AS (SELECT u.id AS external_id, gen_random_uuid() AS item"
                     "  FROM unnest($1::text[]) AS u (id) WHERE NOT EXISTS (SELECT FROM"
                     "  products.item_orders c JOIN core.platforms p ON p.id = c.platform_id"
                     "  WHERE p.slug = $2 AND c.external_order_id = u.id)),"
                     " items AS (INSERT INTO products.inventory (id, product_id, size_id, status)"
                     "  SELECT item, (SELECT id FROM products.products LIMIT 1),"
                     "   (SELECT id FROM products.sizes LIMIT 1), 'sold' FROM new)"
                     " INSERT INTO products.item_orders (inventory_item_id, platform_id,"
                     "  external_order_id, status, sold_at)"
                     " SELECT new.item, p.id, new.external_id, 'sold', now()"
                     "  FROM new, core.platforms p WHERE p.slug = $2",
                     pg::ArrayLiteral(ids), platform)
              .status());
      ASSIGN_OR_RETURN(pg::Result rows,
                       tx.Query("SELECT c.inventory_item_id, c.status = 'sold' AS is_sold"
                                "  FROM unnest($1::text[]) WITH ORDINALITY AS u (id, position)"
                                "  JOIN products.item_orders c ON c.external_order_id = u.id"
                                "  JOIN core.platforms p ON p.id = c.platform_id AND p.slug = $2"
                                " ORDER BY u.position",
                                pg::ArrayLiteral(ids), platform));
      std::vector<ResolvedItem> items;
      for (const pg::Row row : rows) {
        ASSIGN_OR_RETURN(InventoryItemId id, InventoryItemId::Parse(row.Text("inventory_item_id")));
        items.push_back({.item = id, .is_made_for_sale = row.Get<bool>("is_sold")});
      }
      return items;
    });
  }

  absl::Status ReserveItem(const Context& context, const ItemChange& change) override {
    if (is_down) return Error(absl::StatusCode::kUnavailable, "CATALOG_UNREACHABLE", "down");
    applied_events.insert(change.event_id);
    return pool_.Write(context, [&](pg::Tx& tx) -> absl::Status {
      ASSIGN_OR_RETURN(
          const std::int64_t kept,
          tx.Execute("INSERT INTO products.item_orders (inventory_item_id, order_id, status)"
                     " SELECT i.id, $2, 'reserved' FROM products.inventory i"
                     "  WHERE i.id = $1 AND i.status <> 'sold' AND i.quantity > (SELECT count(*)"
                     "   FROM products.item_orders c WHERE c.inventory_item_id = i.id)",
                     change.item.text(), change.order.text()));
      if (kept == 0) return Error(absl::StatusCode::kFailedPrecondition, "ITEM_RESERVED", "taken");
      return absl::OkStatus();
    });
  }

  std::vector<absl::Status> MarkSold(const Context& context,
                                     std::span<const ItemChange> changes) override {
    std::vector<absl::Status> statuses;
    for (const ItemChange& change : changes) {
      if (is_down) {
        statuses.push_back(Error(absl::StatusCode::kUnavailable, "CATALOG_UNREACHABLE", "down"));
        continue;
      }
      applied_events.insert(change.event_id);
      statuses.push_back(pool_.Write(context, [&](pg::Tx& tx) {
        return tx
            .Execute("UPDATE products.inventory SET status = 'sold' WHERE id = $1",
                     change.item.text())
            .status();
      }));
    }
    return statuses;
  }

  absl::Status ReleaseItem(const Context& context, const ItemChange& change) override {
    if (is_down) return Error(absl::StatusCode::kUnavailable, "CATALOG_UNREACHABLE", "down");
    applied_events.insert(change.event_id);
    return pool_.Write(context, [&](pg::Tx& tx) -> absl::Status {
      ASSIGN_OR_RETURN(const std::int64_t deleted,
                       tx.Execute("DELETE FROM products.item_orders WHERE inventory_item_id = $1"
                                  "   AND (order_id = $2 OR external_order_id = $3)",
                                  change.item.text(), change.order.text(), change.external_id));
      // Only the return of a completed sale gives back what nobody is recorded to hold.
      if (deleted == 0 && change.effect != ItemEffect::kReturned) return absl::OkStatus();
      return tx
          .Execute(
              "UPDATE products.inventory i SET status = 'in_stock' WHERE i.id = $1 AND NOT"
              " EXISTS (SELECT FROM products.item_orders c WHERE c.inventory_item_id = i.id)",
              change.item.text())
          .status();
    });
  }

  bool is_down = false;
  int resolve_calls = 0;
  std::function<void()> on_resolve;
  std::set<std::string> applied_events;

 private:
  pg::Pool& pool_;
};

class OrdersServer : public ::testing::Test {
 protected:
  using MakeCatalog =
      std::function<std::unique_ptr<Catalog>(const lockstep::testing::TestDatabase&)>;

  // Orders talk to what `make_catalog` makes; without it to catalog_.
  explicit OrdersServer(const MakeCatalog& make_catalog = nullptr)
      : database_(lockstep::testing::TestDatabase::CreateMigrated()),
        pool_({.database_url = database_.url("orders_app"), .size = 8}),
        catalog_pool_({.database_url = database_.url("catalog_app"), .size = 2}),
        catalog_(catalog_pool_),
        own_catalog_(make_catalog ? make_catalog(database_) : nullptr),
        used_catalog_(own_catalog_ ? *own_catalog_ : catalog_),
        signer_(pool_, kPlumbing.signing_keys),
        runner_({.service = "orders", .workers = 8}),
        order_service_(pool_, pool_, signer_, runner_, nullptr),
        import_service_({.pool = pool_, .catalog = used_catalog_, .notify = nullptr},
                        {.set_size = 10, .lease = absl::Seconds(2)}, signer_, runner_) {
    database_.Execute(
        "INSERT INTO products.categories (name, slug) SELECT 'Test', 'test'"
        "  WHERE NOT EXISTS (SELECT FROM products.categories WHERE slug = 'test');"
        "INSERT INTO products.products (sku, name, category_id) SELECT 'TEST-1', 'Test Shoe', id"
        "  FROM products.categories WHERE slug = 'test';"
        "INSERT INTO products.sizes (value, region) VALUES ('77.5', 'US');");
    auto server = rpc::Server::Start({.drain_delay = absl::ZeroDuration()},
                                     {&order_service_, &import_service_}, runner_,
                                     [] { return absl::OkStatus(); });
    if (!server.ok()) ADD_FAILURE() << server.status();
    server_ = *std::move(server);
    channel_ = server_->InProcessChannel();
    orders_ = pb::OrderService::NewStub(channel_);
    imports_ = pb::ImportService::NewStub(channel_);
  }

  ~OrdersServer() override {
    server_->Shutdown();
    runner_.Stop();
  }

  // A new item, in stock; `price` is SQL ("NULL", "100.00").
  std::string NewItem(const std::string& price = "NULL", const std::string& bought = "NULL") {
    return database_.QueryText(
        "INSERT INTO products.inventory (product_id, size_id, purchase_price, purchase_date)"
        " VALUES ((SELECT id FROM products.products WHERE sku = 'TEST-1'),"
        " (SELECT id FROM products.sizes WHERE value = '77.5'), " +
        price + ", " + bought + ") RETURNING id");
  }

  // Writes an order past the service. `columns` and `values` are SQL.
  void Insert(const std::string& platform, const std::string& columns, const std::string& values) {
    database_.Execute("INSERT INTO transactions.orders (platform_id, inventory_item_id, " +
                      columns + ") SELECT id, '" + NewItem() + "', " + values +
                      " FROM core.platforms WHERE slug = '" + platform + "'");
  }

  absl::StatusOr<pb::Order> Create(const std::string& external_id, const std::string& item,
                                   int euros, const std::string& sold_at = "",
                                   const std::string& request_id = "") {
    pb::CreateOrderRequest request;
    pb::Order& order = *request.mutable_order();
    order.set_platform("platforms/" + external_id.substr(0, external_id.find('_')));
    order.set_external_id(external_id);
    order.set_inventory_item("inventoryItems/" + item);
    order.mutable_gross_sale()->set_currency_code("EUR");
    order.mutable_gross_sale()->set_units(euros);
    if (!sold_at.empty()) {
      absl::Time time;
      std::string error;
      EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, sold_at, &time, &error)) << error;
      order.mutable_sold_at()->set_seconds(absl::ToUnixSeconds(time));
    }
    request.set_request_id(request_id);
    return Call(*orders_, &pb::OrderService::Stub::CreateOrder, request);
  }

  absl::StatusOr<pb::Order> Move(const std::string& name, pb::OrderStatus status) {
    pb::TransitionOrderRequest request;
    request.set_name(name);
    request.set_status(status);
    return Call(*orders_, &pb::OrderService::Stub::TransitionOrder, request);
  }

  // Moves an order step by step to completed.
  absl::StatusOr<pb::Order> Complete(const std::string& name) {
    for (const pb::OrderStatus status :
         {pb::ORDER_STATUS_CONFIRMED, pb::ORDER_STATUS_SHIPPED, pb::ORDER_STATUS_AUTHENTICATING,
          pb::ORDER_STATUS_AUTHENTICATED}) {
      const absl::StatusOr<pb::Order> moved = Move(name, status);
      if (!moved.ok()) return moved;
    }
    return Move(name, pb::ORDER_STATUS_COMPLETED);
  }

  absl::StatusOr<pb::Order> Get(const std::string& name) {
    pb::GetOrderRequest request;
    request.set_name(name);
    return Call(*orders_, &pb::OrderService::Stub::GetOrder, request);
  }

  absl::StatusOr<pb::ListOrdersResponse> List(const std::string& filter,
                                              const std::string& order_by = "", int page_size = 0,
                                              const std::string& token = "") {
    pb::ListOrdersRequest request;
    request.set_filter(filter);
    request.set_order_by(order_by);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return Call(*orders_, &pb::OrderService::Stub::ListOrders, request);
  }

  absl::StatusOr<pb::ReconcileItemsResponse> Reconcile() {
    return Call(*orders_, &pb::OrderService::Stub::ReconcileItems, pb::ReconcileItemsRequest());
  }

  // Delivers what the outbox holds.
  absl::StatusOr<int> Deliver() {
    outbox::DispatcherOptions options;
    options.backoff_initial = absl::Milliseconds(1);
    outbox::Dispatcher dispatcher(pool_, kPlumbing.outbox, DeliverTo(used_catalog_), options);
    int delivered = 0;
    while (true) {
      absl::StatusOr<outbox::Dispatcher::BatchResult> batch =
          dispatcher.RunOnce(Context::WithTimeout(absl::Seconds(30)));
      if (!batch.ok()) return batch.status();
      delivered += batch->delivered;
      if (batch->delivered == 0) return delivered;
    }
  }

  // Sends `text` as a report, in chunks of `chunk` bytes.
  absl::StatusOr<pb::ImportBatch> Import(const std::string& text,
                                         const std::string& request_id = "",
                                         std::size_t chunk = 777,
                                         const std::string& platform = "platforms/stockx") {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    pb::ImportReportResponse response;
    const auto writer = imports_->ImportReport(&context, &response);
    pb::ImportReportRequest message;
    message.mutable_header()->set_platform(platform);
    message.mutable_header()->set_file_name("/home/somebody/report.csv");
    message.mutable_header()->set_request_id(request_id);
    bool is_open = writer->Write(message);
    for (std::size_t at = 0; is_open && at < text.size(); at += chunk) {
      message.set_chunk(text.substr(at, chunk));
      is_open = writer->Write(message);
    }
    writer->WritesDone();
    const absl::Status status = rpc::FromGrpc(writer->Finish());
    if (!status.ok()) return status;
    return response.batch();
  }

  lockstep::testing::TestDatabase database_;
  pg::Pool pool_;
  pg::Pool catalog_pool_;
  SqlCatalog catalog_;
  std::unique_ptr<Catalog> own_catalog_;
  Catalog& used_catalog_;
  paging::PageSigner signer_;
  rpc::Runner runner_;
  OrderService order_service_;
  ImportService import_service_;
  std::unique_ptr<rpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::OrderService::Stub> orders_;
  std::unique_ptr<pb::ImportService::Stub> imports_;
};

}  // namespace lockstep::orders
