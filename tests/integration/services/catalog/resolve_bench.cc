// Sales per second of ResolveSoldItems, in calls of 1,000, one after the other, as an import makes
// them. The cluster should lie on tmpfs; PostgreSQL shares the machine.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_format.h"
#include "benchmark/benchmark.h"
#include "tests/integration/services/catalog/catalog_server.h"

namespace lockstep::catalog {
namespace {

constexpr int kSalesPerCall = 1000;
constexpr int kSkus = 600;

v1::ResolveSoldItemsRequest Batch(int first) {
  v1::ResolveSoldItemsRequest request;
  for (int i = first; i < first + kSalesPerCall; ++i) {
    v1::SaleToResolve& sale = *request.add_sales();
    sale.set_platform("platforms/stockx");
    sale.set_external_order_id(absl::StrFormat("stockx_%08d-%08d", i, i));
    sale.set_sku(absl::StrFormat("SKU-%d", i % kSkus));
    sale.set_item_name(absl::StrFormat("Nike Dunk Low number %d", i % kSkus));
    sale.set_size_text(absl::StrFormat("%d", 5 + i % 9));
    *sale.mutable_sold_at() = At("2024-02-01T12:00:00Z");
  }
  return request;
}

void Resolve(CatalogServer& server, const v1::ResolveSoldItemsRequest& request) {
  v1::InventoryService::Stub stub(server.channel());
  const auto response = Call(stub, &v1::InventoryService::Stub::ResolveSoldItems, request);
  if (!response.ok()) {
    std::fprintf(stderr, "%s\n", response.status().ToString().c_str());
    std::abort();
  }
}

// No purchase is recorded: every sale gets a placeholder.
void BM_Placeholders(benchmark::State& state) {
  lockstep::testing::TestDatabase db = lockstep::testing::TestDatabase::CreateMigrated();
  CatalogServer server(db.url("catalog_app"));
  int next = 0;
  for (auto _ : state) {
    Resolve(server, Batch(next));
    next += kSalesPerCall;
  }
  state.SetItemsProcessed(state.iterations() * kSalesPerCall);
}
BENCHMARK(BM_Placeholders)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(100);

// Every sale finds a purchased item by SKU and size.
void BM_OwnItems(benchmark::State& state) {
  lockstep::testing::TestDatabase db = lockstep::testing::TestDatabase::CreateMigrated();
  CatalogServer server(db.url("catalog_app"));
  Resolve(server, Batch(0));  // makes products and sizes
  db.Execute(absl::StrFormat(
      "INSERT INTO products.sizes (value, region) SELECT g::text, 'US'"
      " FROM generate_series(5, 13) g ON CONFLICT DO NOTHING;"
      "INSERT INTO products.inventory (product_id, size_id, purchase_price, purchase_date)"
      " SELECT p.id, s.id, 100, '2024-01-01' FROM generate_series(1000, %d) g"
      " JOIN products.products p ON p.sku = 'SKU-' || g %% %d"
      " JOIN products.sizes s ON s.value = (5 + g %% 9)::text;",
      static_cast<int>(state.max_iterations + 2) * kSalesPerCall, kSkus));
  int next = kSalesPerCall;
  for (auto _ : state) {
    Resolve(server, Batch(next));
    next += kSalesPerCall;
  }
  state.SetItemsProcessed(state.iterations() * kSalesPerCall);
}
BENCHMARK(BM_OwnItems)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(50);

// The same report a second time.
void BM_Repeated(benchmark::State& state) {
  lockstep::testing::TestDatabase db = lockstep::testing::TestDatabase::CreateMigrated();
  CatalogServer server(db.url("catalog_app"));
  for (int i = 0; i < 20; ++i) Resolve(server, Batch(i * kSalesPerCall));
  int next = 0;
  for (auto _ : state) {
    Resolve(server, Batch(next % 20 * kSalesPerCall));
    ++next;
  }
  state.SetItemsProcessed(state.iterations() * kSalesPerCall);
}
BENCHMARK(BM_Repeated)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(40);

}  // namespace
}  // namespace lockstep::catalog
