// lockstep-catalog: platforms, suppliers, products and inventory over one database.
#include <memory>
#include <string>

#include "common/config/settings.h"
#include "common/killpoint/killpoint.h"
#include "common/log/log.h"
#include "common/pg/pool.h"
#include "common/revision_gate/revision_gate.h"
#include "common/rpc/server.h"
#include "common/rpc/settings.h"
#include "common/status/macros.h"
#include "services/catalog/inventory_service.h"
#include "services/catalog/page_signer.h"
#include "services/catalog/platform_service.h"
#include "services/catalog/plumbing.h"
#include "services/catalog/product_service.h"
#include "services/catalog/supplier_service.h"

namespace lockstep::catalog {
namespace {

// The oldest revision whose shape this build reads and writes, and the newest that it was built
// against.
constexpr char kRequiredRevision[] = "0b6e94d81a57";
constexpr char kBuiltFor[] = "0b6e94d81a57";

struct Options {
  std::string database_url;
  std::string endpoint_migration = "127.0.0.1:7104";
  std::string log_level = "info";
  int pool_size = 4;
  bool prepare_statements = true;
};

void Bind(Options& options, config::Settings& settings) {
  settings
      .AddSecret("database_url", &options.database_url, "libpq connection string, as catalog_app.")
      .Required();
  settings.Add("endpoint_migration", &options.endpoint_migration,
               "host:port of the migration service; empty: serve without asking it.");
  settings.Add("pool_size", &options.pool_size, "Database connections at most.").Range(2, 64);
  settings.Add("prepare_statements", &options.prepare_statements,
               "Named prepared statements; off behind a transaction pooler.");
  settings.Add("log_level", &options.log_level, "debug, info, warn, error or off.")
      .OneOf({"debug", "info", "warn", "error", "off"});
}

int Run(const Options& options, const rpc::ServerSettings& server, rpc::ShutdownSignals& signals) {
  pg::PoolOptions pool_options;
  pool_options.database_url = options.database_url;
  pool_options.application_name = "lockstep-catalog";
  pool_options.size = options.pool_size;
  pool_options.prepare_statements = options.prepare_statements;
  pg::Pool pool(pool_options);
  PageSigner signer(pool);
  rpc::Runner runner(server.runner);
  PlatformService platforms(pool, signer, runner);
  SupplierService suppliers(pool, signer, runner);
  ProductService products(pool, signer, runner);
  InventoryService inventory(pool, signer, runner);
  maintenance::Maintenance housekeeping(maintenance::PurgePlumbing(pool, kPlumbing));

  std::unique_ptr<revision_gate::RevisionGate> gate;
  if (!options.endpoint_migration.empty()) {
    gate = std::make_unique<revision_gate::RevisionGate>(
        revision_gate::GateOptions{.migration_endpoint = options.endpoint_migration,
                                   .service = "catalog",
                                   .build = LOCKSTEP_VERSION,
                                   .required_revision = kRequiredRevision,
                                   .built_for = kBuiltFor,
                                   .address = server.server.listen});
  }
  const auto probe = [&]() -> absl::Status {
    if (gate != nullptr) RETURN_IF_ERROR(gate->Check());
    return pool.Ping(absl::Seconds(1));
  };
  rpc::ServeHooks hooks;
  hooks.started = [&housekeeping](rpc::Server&) { housekeeping.Start(); };
  hooks.after_stop = [&housekeeping] { housekeeping.Stop(); };
  return rpc::Serve(server.server, {&platforms, &suppliers, &products, &inventory}, runner, probe,
                    signals, hooks);
}

}  // namespace
}  // namespace lockstep::catalog

int main(int argc, char** argv) {
  lockstep::rpc::ShutdownSignals signals;
  lockstep::killpoint::Init();
  lockstep::catalog::Options options;
  lockstep::rpc::ServerSettings server("catalog", "127.0.0.1:7101");
  lockstep::config::Settings settings("lockstep-catalog",
                                      "Platforms, suppliers, products and inventory.");
  server.Bind(settings);
  lockstep::catalog::Bind(options, settings);
  if (const auto exit_code = settings.Load(argc, argv)) return *exit_code;
  server.Apply();
  lockstep::log::Init("catalog", *lockstep::log::ParseLevel(options.log_level));
  return lockstep::catalog::Run(options, server, signals);
}
