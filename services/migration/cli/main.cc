// lockstep: plans, applies and explains schema revisions, and imports and lists orders.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/killpoint/killpoint.h"
#include "common/log/log.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::cli {
namespace {

constexpr int kExitUsage = static_cast<int>(migration::ExitClass::kUsage);

void SetFromEnvironment(std::string& value, const char* name) {
  if (const char* text = std::getenv(name); text != nullptr && *text != '\0') value = text;
}

GlobalOptions DefaultOptions() {
  GlobalOptions options;
  options.migrations_dir = LOCKSTEP_DEFAULT_MIGRATIONS_DIR;
  SetFromEnvironment(options.endpoint, "LOCKSTEP_ENDPOINT_MIGRATION");
  SetFromEnvironment(options.orders_endpoint, "LOCKSTEP_ENDPOINT_ORDERS");
  SetFromEnvironment(options.catalog_endpoint, "LOCKSTEP_ENDPOINT_CATALOG");
  SetFromEnvironment(options.finance_endpoint, "LOCKSTEP_ENDPOINT_FINANCE");
  SetFromEnvironment(options.migrations_dir, "LOCKSTEP_MIGRATIONS_DIR");
  SetFromEnvironment(options.admin_url, "LOCKSTEP_ADMIN_URL");
  return options;
}

void AddGlobalFlags(CLI::App& app, GlobalOptions& options) {
  app.add_option("--endpoint", options.endpoint,
                 "migration service, host:port (default 127.0.0.1:7104)");
  app.add_option("--orders-endpoint", options.orders_endpoint,
                 "orders service, host:port (default 127.0.0.1:7102)");
  app.add_option(
      "--direct", options.direct_url,
      "run the engine in this process on this database (libpq connection string) instead");
  app.add_option("--admin-url", options.admin_url,
                 "with --direct: connection string of an administrator for privileged steps");
  app.add_option("--migrations", options.migrations_dir, "folder of the migration definitions");
  app.add_option("--actor", options.actor, "with --direct: who is recorded (default: user@host)");
  app.add_option(
         "--lease-ttl", options.lease_ttl_s,
         "with --direct: seconds after which a runner that died loses its lease (default 15)")
      ->check(CLI::Range(1, 3600));
  app.add_option("--soak", options.soak_s,
                 "with --direct: seconds that every CONTRACT soaks at least (default 0)")
      ->check(CLI::Range(0, 90 * 86400));
  app.add_option("--standby-spacing", options.standby_spacing_s,
                 "with --direct: seconds between steps that take ACCESS EXCLUSIVE while a standby "
                 "streams (default 5, 0 = none)")
      ->check(CLI::Range(0, 3600));
  app.add_option("--expand-budget", options.expand_budget_s,
                 "with --direct: seconds that a step of an EXPAND may keep writers waiting, by its "
                 "forecast (default 180)")
      ->check(CLI::Range(0, 7 * 86400));
  app.add_option("--later-budget", options.later_budget_s,
                 "with --direct: the same for MIGRATE and CONTRACT (default 600)")
      ->check(CLI::Range(0, 7 * 86400));
  app.add_option("--build-stall-after", options.build_stall_s,
                 "with --direct: seconds without progress after which an index build is said to be "
                 "held up (default 600)")
      ->check(CLI::Range(1, 86400));
  app.add_flag("--json", options.json, "one JSON document on stdout");
}

std::vector<std::string> EscapeRelativeTargets(int argc, char** argv) {
  std::vector<std::string> args;
  for (int i = argc - 1; i > 0; --i) {  // CLI11 takes them in reverse
    std::string text = argv[i];
    const bool is_relative = text.size() > 1 && text[0] == '-' &&
                             text.find_first_not_of("0123456789", 1) == std::string::npos;
    args.push_back(is_relative ? std::string(kRelativeEscape) + text : text);
  }
  return args;
}

int Main(int argc, char** argv) {
  killpoint::Init();
  GlobalOptions options = DefaultOptions();
  Action action;
  CLI::App app(
      "Plans, applies, verifies and rolls back schema revisions of every service; imports and "
      "lists orders.",
      "lockstep");
  app.set_version_flag("--version", std::string("lockstep ") + LOCKSTEP_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // global flags may stand after the verb
  AddGlobalFlags(app, options);
  AddStateCommands(app, action);
  AddRunCommands(app, action);
  AddLogCommands(app, action);
  AddControlCommands(app, action);
  AddArchiveCommands(app, action);
  AddBackupCommands(app, action);
  AddFreezeCommands(app, action);
  AddGateCommands(app, action);
  AddFleetCommands(app, action);
  AddDoctorCommand(app, action);
  AddLintCommands(app, action);
  AddProofCommands(app, action);
  AddAuthorCommands(app, action);
  AddImportCommands(app, action);
  AddStampCommands(app, action);
  AddOrderCommands(app, action);
  try {
    app.parse(EscapeRelativeTargets(argc, argv));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  log::Init("lockstep", log::Level::kWarn);
  return action(Session{options}, Output(options.json));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> Session::Connect(bool use_cache) const {
  if (options.direct_url.empty()) return MakeRemoteBackend(options);
  return MakeDirectBackend(options, use_cache);
}

int Finish(const absl::Status& status, const Output& output) {
  if (!status.ok()) output.Error(status);
  return static_cast<int>(migration::ExitClassOf(status));
}

}  // namespace lockstep::cli

int main(int argc, char** argv) { return lockstep::cli::Main(argc, argv); }
