// lockstep-migration: MigrationService and RegistryService over one database.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/log/log.h"
#include "common/pg/pool.h"
#include "common/service/process.h"
#include "common/status/error.h"
#include "common/telemetry/http_server.h"
#include "common/telemetry/metrics.h"
#include "services/migration/server/engines.h"
#include "services/migration/server/lease_grace.h"
#include "services/migration/server/metrics/collector.h"
#include "services/migration/server/migration_service.h"
#include "services/migration/server/registry_service.h"
#include "services/migration/server/revision_feed.h"
#include "services/migration/server/run_feed.h"
#include "services/migration/server/run_manager.h"
#include "services/migration/server/webhook/dispatcher.h"
#include "services/migration/server/webhook/settings.h"

namespace {

using namespace lockstep;  // NOLINT: this file is the program

int Refuse(const absl::Status& status, int exit_code) {
  std::fprintf(stderr, "lockstep-migration: %s\n", MessageOf(status).c_str());
  return exit_code;
}

// Health and metrics. `health` is null before the gRPC server has started; both must outlive what
// is returned.
absl::StatusOr<std::unique_ptr<telemetry::HttpServer>> ServePages(
    telemetry::HttpServerOptions options, migration::MetricsCollector& metrics,
    const std::atomic<const rpc::Health*>& health) {
  const auto ready = [&health]() -> telemetry::HttpResponse {
    const rpc::Health* known = health;
    if (known != nullptr && known->is_ready()) return {.body = "ready\n"};
    return {.status = 503, .body = "not ready\n"};
  };
  return telemetry::HttpServer::Start(
      options, {{"/metrics",
                 [&metrics]() -> telemetry::HttpResponse {
                   return {.content_type = telemetry::kTextContentType, .body = metrics.Scrape()};
                 }},
                {"/healthz", [] { return telemetry::HttpResponse{.body = "alive\n"}; }},
                {"/readyz", ready}});
}

// What the process tells others besides answering calls.
struct TellingSettings {
  telemetry::HttpServerOptions http{.listen = "127.0.0.1:7204"};
  migration::webhook::WebhookOptions webhook;

  void Bind(config::Settings& settings) {
    settings.Add("http_listen", &http.listen,
                 "host:port of health and metrics over HTTP (/metrics, /healthz, /readyz); port 0: "
                 "any; empty: none.");
    migration::webhook::Bind(webhook, settings);
  }
};

class Telling {
 public:
  Telling(migration::Engines& engines, TellingSettings settings)
      : settings_(std::move(settings)), metrics_([&engines] { return engines.Look().engine; }) {}

  absl::Status StartHttp(bool insecure) {
    if (settings_.http.listen.empty()) return absl::OkStatus();
    settings_.http.insecure = insecure;
    auto started = ServePages(settings_.http, metrics_, health_);
    if (!started.ok()) return started.status();
    http_ = *std::move(started);
    log::Info("http_serving", {{"address", http_->address()}});
    return absl::OkStatus();
  }

  rpc::ServeHooks Hooks(const migration::EngineOptions& engine) {
    rpc::ServeHooks hooks;
    hooks.started = [this, &engine](rpc::Server& server) {
      health_ = &server.health();
      if (settings_.webhook.url.empty()) return;
      webhook_ = std::make_unique<migration::webhook::Dispatcher>(engine, settings_.webhook);
    };
    hooks.after_stop = [this] {
      // The gRPC server goes next, and its health with it.
      http_.reset();
      webhook_.reset();
    };
    return hooks;
  }

 private:
  TellingSettings settings_;
  migration::MetricsCollector metrics_;
  std::atomic<const rpc::Health*> health_ = nullptr;
  std::unique_ptr<telemetry::HttpServer> http_;
  std::unique_ptr<migration::webhook::Dispatcher> webhook_;
};

}  // namespace

int main(int argc, char** argv) {
  migration::EngineOptions engine_options;
  std::string migrations_dir = LOCKSTEP_DEFAULT_MIGRATIONS_DIR;
  service::Process process("migration", "127.0.0.1:7104",
                           "Plans, applies, verifies and rolls back schema revisions.");
  config::Settings& settings = process.settings();
  settings
      .AddSecret("database_url", &engine_options.database_url,
                 "libpq connection string, as lockstep_migrator, not through a transaction pooler.")
      .Required();
  settings.AddSecret(
      "admin_url", &engine_options.admin_url,
      "Connection string of an administrator for privileged steps; empty: their SQL is "
      "printed and waited for.");
  settings.Add("migrations_dir", &migrations_dir, "Folder of the migration definitions.");
  settings.Add("lease_ttl", &engine_options.lease_ttl,
               "A runner that does not renew its lease for this long has lost it.");
  TellingSettings telling_settings;
  telling_settings.Bind(settings);
  settings.Add("gate_wait", &engine_options.gate_wait,
               "How long a run waits at the gate of a CONTRACT, and for its soak.");
  settings.Add("soak", &engine_options.soak,
               "The least time that applications go without what a CONTRACT drops before it goes.");
  settings
      .Add("standby_spacing", &engine_options.standby_spacing,
           "Between steps that take ACCESS EXCLUSIVE while a standby streams; 0 = none.")
      .Range(absl::ZeroDuration(), absl::Hours(1));
  settings
      .Add("expand_budget", &engine_options.budgets.expand,
           "How long a step of an EXPAND may keep writers waiting, by its forecast.")
      .Range(absl::ZeroDuration(), absl::Hours(24 * 7));
  settings
      .Add("later_budget", &engine_options.budgets.later,
           "How long a step of a MIGRATE or CONTRACT may keep writers waiting, by its forecast.")
      .Range(absl::ZeroDuration(), absl::Hours(24 * 7));
  settings
      .Add("build_stall_after", &engine_options.build_stall_after,
           "An index build that makes no progress for this long is said to be held up.")
      .Range(absl::Seconds(1), absl::Hours(24));
  if (const auto exit_code = process.Load(argc, argv)) return *exit_code;
  if (const absl::Status status = migration::webhook::Check(telling_settings.webhook);
      !status.ok()) {
    return Refuse(status, config::kExitConfig);
  }

  auto engines = migration::Engines::Open(engine_options, migrations_dir);
  if (!engines.ok()) {
    std::fprintf(stderr, "lockstep-migration: %s\n",
                 std::string(engines.status().message()).c_str());
    return 1;
  }
  // Before anybody can ask for a downgrade.
  migration::LeaseGrace grace(**engines);
  migration::RunFeed feed(**engines);
  migration::RevisionFeed revisions(**engines);
  migration::RunManager runs(**engines, feed, revisions);
  rpc::Runner runner(process.runner_options());
  migration::MigrationService migration_service(**engines, runs, feed, runner);
  migration::RegistryService registry_service(**engines, revisions, runner);
  pg::PoolOptions probe_options;
  probe_options.database_url = engine_options.database_url;
  probe_options.application_name = "lockstep-migration-probe";
  probe_options.size = 1;
  pg::Pool probe(probe_options);

  Telling telling(**engines, telling_settings);
  const absl::Status http = telling.StartHttp(process.server_options().insecure);
  if (!http.ok()) return Refuse(http, 1);
  return process.Serve(
      {&migration_service, &registry_service}, runner, [&] { return probe.Ping(absl::Seconds(1)); },
      telling.Hooks(engine_options));
}
