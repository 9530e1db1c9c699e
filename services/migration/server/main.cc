// lockstep-migration: MigrationService and RegistryService over one database.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/config/settings.h"
#include "common/killpoint/killpoint.h"
#include "common/log/log.h"
#include "common/pg/pool.h"
#include "common/rpc/server.h"
#include "common/rpc/settings.h"
#include "services/migration/api/api.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/server/migration_service.h"
#include "services/migration/server/registry_service.h"
#include "services/migration/server/run_manager.h"

int main(int argc, char** argv) {
  using namespace lockstep;  // NOLINT: this file is the program

  rpc::ShutdownSignals signals;
  killpoint::Init();
  migration::EngineOptions engine_options;
  std::string migrations_dir = LOCKSTEP_DEFAULT_MIGRATIONS_DIR;
  std::string log_level = "info";
  rpc::ServerSettings server("migration", "127.0.0.1:7104");
  config::Settings settings("lockstep-migration",
                            "Plans, applies, verifies and rolls back schema revisions.");
  server.Bind(settings);
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
  settings.Add("log_level", &log_level, "debug, info, warn, error or off.")
      .OneOf({"debug", "info", "warn", "error", "off"});
  if (const auto exit_code = settings.Load(argc, argv)) return *exit_code;
  server.Apply();
  log::Init("migration", *log::ParseLevel(log_level));

  auto definitions = migration::LoadDefinitions(migrations_dir);
  if (!definitions.ok()) {
    std::fprintf(stderr, "lockstep-migration: %s\n",
                 std::string(definitions.status().message()).c_str());
    return 1;
  }
  migration::Engine engine(engine_options, *std::move(definitions));
  migration::Api api(engine);
  migration::RunManager runs(engine);
  rpc::Runner runner(server.runner);
  migration::MigrationService migration_service(engine, api, runs, runner);
  migration::RegistryService registry_service(engine, runner);
  pg::PoolOptions probe_options;
  probe_options.database_url = engine_options.database_url;
  probe_options.application_name = "lockstep-migration-probe";
  probe_options.size = 1;
  pg::Pool probe(probe_options);
  return rpc::Serve(
      server.server, {&migration_service, &registry_service}, runner,
      [&] { return probe.Ping(absl::Seconds(1)); }, signals);
}
