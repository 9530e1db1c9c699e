// lockstep-orders: OrderService and ImportService over one database, and the delivery of item
// events to the catalog.
#include <memory>
#include <string>

#include "common/config/settings.h"
#include "common/killpoint/killpoint.h"
#include "common/log/log.h"
#include "common/outbox/dispatcher.h"
#include "common/pg/pool.h"
#include "common/revision_gate/revision_gate.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/rpc/settings.h"
#include "common/status/macros.h"
#include "services/orders/catalog_client.h"
#include "services/orders/import_service.h"
#include "services/orders/item_events.h"
#include "services/orders/order_commands.h"
#include "services/orders/order_service.h"
#include "services/orders/page_signer.h"
#include "services/orders/plumbing.h"

namespace lockstep::orders {
namespace {

// The oldest revision whose shape this build reads and writes, and the newest that it was built
// against.
constexpr char kRequiredRevision[] = "b1e7309cd542";
constexpr char kBuiltFor[] = "f93b7c05e1d8";

struct Options {
  std::string database_url;
  std::string read_database_url;
  std::string endpoint_catalog = "127.0.0.1:7101";
  std::string endpoint_migration = "127.0.0.1:7104";
  std::string log_level = "info";
  int pool_size = 4;
  bool prepare_statements = true;
  int import_set_size = 1000;
  absl::Duration import_lease = absl::Seconds(15);
  absl::Duration event_lease = absl::Seconds(30);
};

void Bind(Options& options, config::Settings& settings) {
  settings
      .AddSecret("database_url", &options.database_url, "libpq connection string, as orders_app.")
      .Required();
  settings.AddSecret("read_database_url", &options.read_database_url,
                     "Connection string of a replica for lists and sums; empty: database_url.");
  settings.Add("endpoint_catalog", &options.endpoint_catalog, "host:port of the catalog service.");
  settings.Add("endpoint_migration", &options.endpoint_migration,
               "host:port of the migration service; empty: serve without asking it.");
  settings.Add("pool_size", &options.pool_size, "Database connections at most.").Range(2, 64);
  settings.Add("prepare_statements", &options.prepare_statements,
               "Named prepared statements; off behind a transaction pooler.");
  settings.Add("import_set_size", &options.import_set_size, "Rows of one import transaction.")
      .Range(1, 1000);
  settings
      .Add("import_lease", &options.import_lease,
           "An import without a sign of life for this long may be taken over.")
      .Range(absl::Seconds(1), absl::Hours(1));
  settings
      .Add("event_lease", &options.event_lease,
           "Events that a dead process was delivering are delivered again after this time.")
      .Range(absl::Seconds(1), absl::Hours(1));
  settings.Add("log_level", &options.log_level, "debug, info, warn, error or off.")
      .OneOf({"debug", "info", "warn", "error", "off"});
}

pg::PoolOptions PoolFor(const Options& options, const std::string& url) {
  pg::PoolOptions pool;
  pool.database_url = url;
  pool.application_name = "lockstep-orders";
  pool.size = options.pool_size;
  pool.prepare_statements = options.prepare_statements;
  return pool;
}

outbox::DispatcherOptions DispatcherFor(absl::Duration lease) {
  outbox::DispatcherOptions options;
  options.lease = lease;
  options.delivery_timeout = lease * 2 / 3;
  options.on_outcome = [](const outbox::Event& event, const absl::Status& status,
                          outbox::Outcome outcome) {
    if (outcome == outbox::Outcome::kDelivered) return;
    log::Write(outcome == outbox::Outcome::kDead ? log::Level::kError : log::Level::kDebug,
               outcome == outbox::Outcome::kDead ? "event_dead" : "event_retried",
               std::initializer_list<log::Field>{
                   {"event_id", event.event_id}, {"kind", event.kind}, {"status", status}});
  };
  return options;
}

int Run(const Options& options, const rpc::ServerSettings& server, rpc::ShutdownSignals& signals) {
  pg::Pool pool(PoolFor(options, options.database_url));
  std::unique_ptr<pg::Pool> replica;
  if (!options.read_database_url.empty()) {
    replica = std::make_unique<pg::Pool>(PoolFor(options, options.read_database_url));
  }
  PageSigner signer(pool);
  const std::unique_ptr<Catalog> catalog =
      MakeGrpcCatalog(rpc::MakeChannel(options.endpoint_catalog));
  // A connection of its own: delivery must not wait behind requests, nor they behind it.
  pg::PoolOptions outbox_options = PoolFor(options, options.database_url);
  outbox_options.application_name = "lockstep-orders-outbox";
  outbox_options.size = 1;
  pg::Pool outbox_pool(outbox_options);
  outbox::Dispatcher dispatcher(outbox_pool, kPlumbing.outbox, DeliverTo(*catalog),
                                DispatcherFor(options.event_lease));

  rpc::Runner runner(server.runner);
  const auto notify = [&dispatcher] { dispatcher.Notify(); };
  OrderService order_service(pool, replica == nullptr ? pool : *replica, signer, runner, notify);
  ImportService import_service({.pool = pool, .catalog = *catalog, .notify = notify},
                               {.set_size = static_cast<std::size_t>(options.import_set_size),
                                .lease = options.import_lease},
                               signer, runner);
  maintenance::Maintenance housekeeping(maintenance::PurgePlumbing(pool, kPlumbing));

  std::unique_ptr<revision_gate::RevisionGate> gate;
  if (!options.endpoint_migration.empty()) {
    gate = std::make_unique<revision_gate::RevisionGate>(
        revision_gate::GateOptions{.migration_endpoint = options.endpoint_migration,
                                   .service = "orders",
                                   .build = LOCKSTEP_VERSION,
                                   .required_revision = kRequiredRevision,
                                   .built_for = kBuiltFor,
                                   .address = server.server.listen});
  }
  dispatcher.Start();
  const auto probe = [&]() -> absl::Status {
    if (gate != nullptr) RETURN_IF_ERROR(gate->Check());
    return pool.Ping(absl::Seconds(1));
  };
  rpc::ServeHooks hooks;
  hooks.started = [&housekeeping](rpc::Server&) { housekeeping.Start(); };
  hooks.after_stop = [&] {
    housekeeping.Stop();
    dispatcher.Stop();
  };
  return rpc::Serve(server.server, {&order_service, &import_service}, runner, probe, signals,
                    hooks);
}

}  // namespace
}  // namespace lockstep::orders

int main(int argc, char** argv) {
  lockstep::rpc::ShutdownSignals signals;
  lockstep::killpoint::Init();
  lockstep::orders::Options options;
  lockstep::rpc::ServerSettings server("orders", "127.0.0.1:7102");
  lockstep::config::Settings settings("lockstep-orders",
                                      "Orders of every marketplace, imports and payouts.");
  server.Bind(settings);
  lockstep::orders::Bind(options, settings);
  if (const auto exit_code = settings.Load(argc, argv)) return *exit_code;
  server.Apply();
  lockstep::log::Init("orders", *lockstep::log::ParseLevel(options.log_level));
  return lockstep::orders::Run(options, server, signals);
}
