// lockstep-migration: MigrationService and RegistryService over one database.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/time/time.h"
#include "common/pg/pool.h"
#include "common/service/process.h"
#include "services/migration/server/engines.h"
#include "services/migration/server/migration_service.h"
#include "services/migration/server/registry_service.h"
#include "services/migration/server/run_feed.h"
#include "services/migration/server/run_manager.h"

int main(int argc, char** argv) {
  using namespace lockstep;  // NOLINT: this file is the program

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
  settings
      .Add("standby_spacing", &engine_options.standby_spacing,
           "Between steps that take ACCESS EXCLUSIVE while a standby streams; 0 = none.")
      .Range(absl::ZeroDuration(), absl::Hours(1));
  settings
      .Add("build_stall_after", &engine_options.build_stall_after,
           "An index build that makes no progress for this long is said to be held up.")
      .Range(absl::Seconds(1), absl::Hours(24));
  if (const auto exit_code = process.Load(argc, argv)) return *exit_code;

  auto engines = migration::Engines::Open(engine_options, migrations_dir);
  if (!engines.ok()) {
    std::fprintf(stderr, "lockstep-migration: %s\n",
                 std::string(engines.status().message()).c_str());
    return 1;
  }
  migration::RunFeed feed(**engines);
  migration::RunManager runs(**engines, feed);
  rpc::Runner runner(process.runner_options());
  migration::MigrationService migration_service(**engines, runs, feed, runner);
  migration::RegistryService registry_service(**engines, runner);
  pg::PoolOptions probe_options;
  probe_options.database_url = engine_options.database_url;
  probe_options.application_name = "lockstep-migration-probe";
  probe_options.size = 1;
  pg::Pool probe(probe_options);
  return process.Serve({&migration_service, &registry_service}, runner,
                       [&] { return probe.Ping(absl::Seconds(1)); });
}
