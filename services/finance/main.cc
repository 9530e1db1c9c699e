// lockstep-finance: expenses and reports over gRPC.
#include <memory>
#include <optional>
#include <string>

#include "common/config/settings.h"
#include "common/log/log.h"
#include "common/pg/pool.h"
#include "common/revision_gate/revision_gate.h"
#include "common/rpc/server.h"
#include "common/rpc/settings.h"
#include "common/status/macros.h"
#include "common/time/clock.h"
#include "services/finance/expense_service.h"
#include "services/finance/page_signer.h"
#include "services/finance/plumbing.h"
#include "services/finance/report_service.h"

namespace lockstep::finance {
namespace {

// The oldest revision that reports are right with: before the data step of v2.2.2 most sales are no
// orders yet. A line of the orders service; finance's own tables come with v1.0.0, releases before.
constexpr char kRequiredRevision[] = "b1e7309cd542";
// The newest revision of finance's own line that this was built against.
constexpr char kBuiltFor[] = "ad5e60c9137b";

struct Options {
  std::string database_url;
  std::string read_database_url;
  std::string endpoint_migration = "127.0.0.1:7104";
  std::string log_level = "info";
  int pool_size = 4;
  bool prepare_statements = true;
};

void Bind(Options& options, config::Settings& settings) {
  settings
      .AddSecret("database_url", &options.database_url, "libpq connection string, as finance_app.")
      .Required();
  settings.AddSecret("read_database_url", &options.read_database_url,
                     "Connection string of a replica for lists and reports; empty: database_url.");
  settings.Add("endpoint_migration", &options.endpoint_migration,
               "host:port of the migration service; empty: serve without asking it.");
  settings.Add("pool_size", &options.pool_size, "Database connections at most.").Range(1, 64);
  settings.Add("prepare_statements", &options.prepare_statements,
               "Named prepared statements; off behind a transaction pooler.");
  settings.Add("log_level", &options.log_level, "debug, info, warn, error or off.")
      .OneOf({"debug", "info", "warn", "error", "off"});
}

pg::PoolOptions PoolFor(const Options& options, const std::string& url) {
  pg::PoolOptions pool;
  pool.database_url = url;
  pool.application_name = "lockstep-finance";
  pool.size = options.pool_size;
  pool.prepare_statements = options.prepare_statements;
  return pool;
}

int Run(const Options& options, const rpc::ServerSettings& server, rpc::ShutdownSignals& signals) {
  pg::Pool pool(PoolFor(options, options.database_url));
  std::unique_ptr<pg::Pool> replica;
  if (!options.read_database_url.empty()) {
    replica = std::make_unique<pg::Pool>(PoolFor(options, options.read_database_url));
  }
  pg::Pool& read_pool = replica == nullptr ? pool : *replica;
  PageSigner signer(pool);
  const time::SystemClock clock;
  rpc::Runner runner(server.runner);
  ExpenseService expenses(pool, read_pool, signer, clock, runner);
  ReportService reports(read_pool, runner);
  maintenance::Maintenance housekeeping(maintenance::PurgePlumbing(pool, kPlumbing));

  std::unique_ptr<revision_gate::RevisionGate> gate;
  if (!options.endpoint_migration.empty()) {
    gate = std::make_unique<revision_gate::RevisionGate>(
        revision_gate::GateOptions{.migration_endpoint = options.endpoint_migration,
                                   .service = "finance",
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
  return rpc::Serve(server.server, {&expenses, &reports}, runner, probe, signals, hooks);
}

}  // namespace
}  // namespace lockstep::finance

int main(int argc, char** argv) {
  lockstep::rpc::ShutdownSignals signals;
  lockstep::finance::Options options;
  lockstep::rpc::ServerSettings server("finance", "127.0.0.1:7103");
  lockstep::config::Settings settings("lockstep-finance", "Expenses, profit and loss, reports.");
  server.Bind(settings);
  lockstep::finance::Bind(options, settings);
  if (const std::optional<int> exit_code = settings.Load(argc, argv)) return *exit_code;
  server.Apply();
  lockstep::log::Init("finance", *lockstep::log::ParseLevel(options.log_level));
  return lockstep::finance::Run(options, server, signals);
}
