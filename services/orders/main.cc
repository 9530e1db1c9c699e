// lockstep-orders: OrderService and ImportService over one database, and the delivery of item
// events to the catalog.
#include <memory>
#include <string>

#include "common/log/log.h"
#include "common/outbox/dispatcher.h"
#include "common/pg/pool.h"
#include "common/rpc/channel.h"
#include "common/service/process.h"
#include "common/service/service.h"
#include "services/orders/catalog_client.h"
#include "services/orders/import_service.h"
#include "services/orders/item_events.h"
#include "services/orders/manifest.h"
#include "services/orders/order_service.h"
#include "services/orders/plumbing.h"

namespace lockstep::orders {
namespace {

service::ServiceSpec Spec() {
  return {.database_role = "orders_app",
          .replica_use = "lists and sums",
          .manifest = Manifest(),
          .plumbing = kPlumbing};
}

struct Options {
  std::string endpoint_catalog = "127.0.0.1:7101";
  int import_set_size = 1000;
  absl::Duration import_lease = absl::Seconds(15);
  absl::Duration event_lease = absl::Seconds(30);
};

void Bind(Options& options, config::Settings& settings) {
  settings.Add("endpoint_catalog", &options.endpoint_catalog, "host:port of the catalog service.");
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

int Run(service::Process& process, const service::ServiceSettings& settings,
        const Options& options) {
  service::Service service(process, settings);
  const std::unique_ptr<Catalog> catalog =
      MakeGrpcCatalog(rpc::MakeChannel(options.endpoint_catalog));
  // A connection of its own: delivery must not wait behind requests, nor they behind it.
  pg::PoolOptions outbox_options = service.pool_options("-outbox");
  outbox_options.size = 1;
  pg::Pool outbox_pool(outbox_options);
  outbox::Dispatcher dispatcher(outbox_pool, kPlumbing.outbox, DeliverTo(*catalog),
                                DispatcherFor(options.event_lease));

  const auto notify = [&dispatcher] { dispatcher.Notify(); };
  OrderService order_service(service.pool(), service.read_pool(), service.signer(),
                             service.runner(), notify);
  ImportService import_service({.pool = service.pool(), .catalog = *catalog, .notify = notify},
                               {.set_size = static_cast<std::size_t>(options.import_set_size),
                                .lease = options.import_lease},
                               service.signer(), service.runner());
  dispatcher.Start();
  rpc::ServeHooks hooks;
  hooks.after_stop = [&dispatcher] { dispatcher.Stop(); };
  return service.Serve({&order_service, &import_service}, hooks);
}

}  // namespace
}  // namespace lockstep::orders

int main(int argc, char** argv) {
  lockstep::service::ServiceSettings settings(lockstep::orders::Spec());
  lockstep::orders::Options options;
  lockstep::service::Process process("orders", "127.0.0.1:7102",
                                     "Orders of every marketplace, imports and payouts.");
  settings.Bind(process.settings());
  lockstep::orders::Bind(options, process.settings());
  if (const auto exit_code = process.Load(argc, argv)) return *exit_code;
  return lockstep::orders::Run(process, settings, options);
}
