// A business service (catalog, orders, finance): a process over one database whose schema the
// migration service keeps.
//
// `Service` builds the parts that all of them have: the pools, the signer of page tokens, the
// runner; and while it serves, the revision gate, the readiness probe and the housekeeping of the
// plumbing tables. Its pools, and those that are made with pool_options(), are open only while the
// gate allows it (common/revision_gate).
//
//   service::ServiceSettings settings({.database_role = "orders_app", ...});
//   service::Process process("orders", "127.0.0.1:7102", "Orders of every marketplace.");
//   settings.Bind(process.settings());
//   if (const auto exit_code = process.Load(argc, argv)) return *exit_code;
//   service::Service service(process, settings);
//   OrderService orders(service.pool(), service.signer(), service.runner());
//   return service.Serve({&orders});
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/settings.h"
#include "common/maintenance/plumbing.h"
#include "common/paging/page_signer.h"
#include "common/pg/pool.h"
#include "common/revision_gate/build_manifest.h"
#include "common/rpc/runner.h"
#include "common/rpc/server.h"
#include "common/service/process.h"

namespace lockstep::revision_gate {
class RevisionGate;
}

namespace lockstep::service {

// What a service is. A constant of the program.
struct ServiceSpec {
  std::string database_role;     // "orders_app"
  std::string replica_use = {};  // what a replica may be read for; empty: there is no such setting
  int min_pool_size = 2;
  revision_gate::BuildManifest manifest = {};  // generated: services/<service>/manifest.h
  maintenance::PlumbingTables plumbing;
};

// --database-url-file, --read-database-url-file (only with a replica_use), --endpoint-migration,
// --pool-size, --prepare-statements; and --manifest, which prints the manifest and exits.
struct ServiceSettings {
  const ServiceSpec spec;
  std::string database_url;
  std::string read_database_url;
  std::string endpoint_migration = "127.0.0.1:7104";
  int pool_size = 4;
  bool prepare_statements = true;

  explicit ServiceSettings(ServiceSpec of) : spec(std::move(of)) {}
  // Registers the settings. This object must outlive `settings`.
  void Bind(config::Settings& settings);
};

class Service final {
 public:
  // After Process::Load. Both must outlive this object, which must outlive what is built from its
  // parts.
  Service(Process& process, const ServiceSettings& settings);

  pg::Pool& pool() { return pool_; }
  // The replica's, or pool() where there is none.
  pg::Pool& read_pool() { return replica_ == nullptr ? pool_ : *replica_; }
  paging::PageSigner& signer() { return signer_; }
  rpc::Runner& runner() { return runner_; }
  // For one more pool over the service's database. Its connections are called "lockstep-orders",
  // `suffix` ("-outbox"), and the tag of this process.
  pg::PoolOptions pool_options(std::string_view suffix = "") const;

  // Serves until the process is told to stop; returns the exit code.
  [[nodiscard]] int Serve(const std::vector<grpc::Service*>& services,
                          const rpc::ServeHooks& hooks = {});

 private:
  pg::PoolOptions PoolOptionsFor(const std::string& url, std::string_view suffix = "") const;
  // Whether the migration service decides when this process may serve.
  bool is_gated() const { return !settings_.endpoint_migration.empty(); }
  absl::Status Probe(const revision_gate::RevisionGate* gate);

  Process& process_;
  const ServiceSettings& settings_;
  const std::string instance_id_;             // before the pools, whose connections carry its tag
  const std::shared_ptr<pg::Access> access_;  // shared with the pools and the gate
  pg::Pool pool_;
  std::unique_ptr<pg::Pool> replica_;
  paging::PageSigner signer_;
  rpc::Runner runner_;
};

}  // namespace lockstep::service
