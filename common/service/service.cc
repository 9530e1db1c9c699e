#include "common/service/service.h"

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/revision_gate/instance.h"
#include "common/revision_gate/revision_gate.h"
#include "common/service/manifest.h"
#include "common/status/macros.h"

namespace lockstep::service {
namespace {

// The server while it runs, for the gate, which begins before it and ends after it. Thread-safe.
class RunningServer {
 public:
  void Set(rpc::Server* server) {
    absl::MutexLock lock(&mu_);
    server_ = server;
  }
  void ProbeNow() {
    absl::MutexLock lock(&mu_);
    if (server_ != nullptr) server_->ProbeNow();
  }

 private:
  absl::Mutex mu_;
  rpc::Server* server_ ABSL_GUARDED_BY(mu_) = nullptr;
};

}  // namespace

void ServiceSettings::Bind(config::Settings& settings) {
  settings
      .AddSecret("database_url", &database_url,
                 "libpq connection string, as " + spec.database_role + ".")
      .Required();
  if (!spec.replica_use.empty()) {
    settings.AddSecret(
        "read_database_url", &read_database_url,
        "Connection string of a replica for " + spec.replica_use + "; empty: database_url.");
  }
  settings.Add("endpoint_migration", &endpoint_migration,
               "host:port of the migration service; empty: serve without asking it.");
  settings.Add("pool_size", &pool_size, "Database connections at most.")
      .Range(spec.min_pool_size, 64);
  settings.Add("prepare_statements", &prepare_statements,
               "Named prepared statements; off behind a transaction pooler.");
  settings.AddReport("manifest", "Show what this build needs of the database, as JSON, and exit.",
                     [this] { return ManifestJson(spec.manifest, LOCKSTEP_VERSION); });
}

Service::Service(Process& process, const ServiceSettings& settings)
    : process_(process),
      settings_(settings),
      instance_id_(revision_gate::NewInstanceId(process.name())),
      access_(std::make_shared<pg::Access>(is_gated() ? revision_gate::NoLeaseYet()
                                                      : absl::OkStatus())),
      pool_(pool_options()),
      signer_(pool_, settings.spec.plumbing.signing_keys),
      runner_(process.runner_options()) {
  if (!settings.read_database_url.empty()) {
    replica_ = std::make_unique<pg::Pool>(PoolOptionsFor(settings.read_database_url));
  }
}

pg::PoolOptions Service::pool_options(std::string_view suffix) const {
  return PoolOptionsFor(settings_.database_url, suffix);
}

pg::PoolOptions Service::PoolOptionsFor(const std::string& url, std::string_view suffix) const {
  pg::PoolOptions options;
  options.database_url = url;
  options.application_name =
      revision_gate::SessionName(process_.program() + std::string(suffix), instance_id_);
  options.size = settings_.pool_size;
  options.prepare_statements = settings_.prepare_statements;
  options.access = access_;
  return options;
}

int Service::Serve(const std::vector<grpc::Service*>& services, const rpc::ServeHooks& hooks) {
  maintenance::Maintenance housekeeping(maintenance::PurgePlumbing(pool_, settings_.spec.plumbing));
  RunningServer running;
  std::unique_ptr<revision_gate::RevisionGate> gate;
  if (is_gated()) {
    gate = std::make_unique<revision_gate::RevisionGate>(
        revision_gate::GateOptions{.migration_endpoint = settings_.endpoint_migration,
                                   .service = process_.name(),
                                   .build = LOCKSTEP_VERSION,
                                   .required_revision = settings_.spec.manifest.required_revision,
                                   .built_for = BuiltFor(settings_.spec.manifest, process_.name()),
                                   .manifest = settings_.spec.manifest,
                                   .address = process_.server_options().listen,
                                   .instance_id = instance_id_,
                                   .access = access_,
                                   .on_change = [&running] { running.ProbeNow(); }});
  }
  rpc::ServeHooks all = hooks;
  all.started = [&](rpc::Server& server) {
    running.Set(&server);
    housekeeping.Start();
    if (hooks.started) hooks.started(server);
  };
  all.after_stop = [&] {
    running.Set(nullptr);
    housekeeping.Stop();
    if (hooks.after_stop) hooks.after_stop();
  };
  return process_.Serve(
      services, runner_, [this, &gate] { return Probe(gate.get()); }, all);
}

absl::Status Service::Probe(const revision_gate::RevisionGate* gate) {
  if (gate != nullptr) RETURN_IF_ERROR(gate->Check());
  RETURN_IF_ERROR(pool_.Ping(absl::Seconds(1)));
  // Again: it may have changed while the database was asked.
  return gate == nullptr ? absl::OkStatus() : gate->Check();
}

}  // namespace lockstep::service
