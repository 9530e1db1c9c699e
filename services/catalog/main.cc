// lockstep-catalog: platforms, suppliers, products and inventory over gRPC.
#include <optional>
#include <vector>

#include "common/config/settings.h"
#include "common/log/log.h"
#include "common/pg/pool.h"
#include "common/rpc/server.h"
#include "common/rpc/settings.h"
#include "services/catalog/inventory_service.h"
#include "services/catalog/maintenance.h"
#include "services/catalog/page_signer.h"
#include "services/catalog/platform_service.h"
#include "services/catalog/product_service.h"
#include "services/catalog/supplier_service.h"

int main(int argc, char** argv) {
  using namespace lockstep;  // NOLINT(google-build-using-namespace): the whole graph is built here

  config::Settings settings("lockstep-catalog", "Platforms, suppliers, products and inventory.");
  rpc::ServerSettings server_settings("catalog", "127.0.0.1:7101");
  server_settings.Bind(settings);
  pg::PoolOptions pool_options;
  pool_options.application_name = "lockstep-catalog";
  settings.AddSecret("database_url", &pool_options.database_url, "libpq connection string or URI.")
      .Required();
  settings.Add("prepare_statements", &pool_options.prepare_statements,
               "Prepare SQL statements; off behind a transaction pooler.");
  std::string log_level = "info";
  settings.Add("log_level", &log_level, "Lowest level that is logged.")
      .OneOf({"debug", "info", "warn", "error", "off"});
  if (const std::optional<int> code = settings.Load(argc, argv)) return *code;
  server_settings.Apply();
  log::Init("catalog", log::ParseLevel(log_level).value_or(log::Level::kInfo));

  rpc::ShutdownSignals signals;
  pool_options.size = static_cast<int>(server_settings.runner.workers);
  pg::Pool pool(pool_options);
  rpc::Runner runner(server_settings.runner);
  catalog::PageSigner signer(pool);
  catalog::PlatformService platforms(pool, signer, runner);
  catalog::SupplierService suppliers(pool, signer, runner);
  catalog::ProductService products(pool, signer, runner);
  catalog::InventoryService inventory(pool, signer, runner);
  catalog::Maintenance maintenance(pool);

  // Ready when every condition holds, asked in this order.
  const std::vector<rpc::ReadinessMonitor::Probe> conditions = {
      [&pool] { return pool.Ping(absl::Seconds(1)); }};
  const auto is_ready = [&conditions]() -> absl::Status {
    for (const auto& condition : conditions) {
      if (absl::Status status = condition(); !status.ok()) return status;
    }
    return absl::OkStatus();
  };
  rpc::ServeHooks hooks;
  hooks.started = [&maintenance](rpc::Server&) { maintenance.Start(); };
  hooks.after_stop = [&maintenance] { maintenance.Stop(); };
  return rpc::Serve(server_settings.server, {&platforms, &suppliers, &products, &inventory}, runner,
                    is_ready, signals, hooks);
}
