// A runner in a process of its own, for tests that stop or kill it: engine_process URL FOLDER
// upgrade|downgrade TARGET ADMIN_URL|"" archive|"". Prints the reason of a failure; exits with the
// exit class.
#include <cstdio>
#include <string>
#include <string_view>

#include "common/killpoint/killpoint.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/engine.h"

int main(int argc, char** argv) {
  using namespace lockstep;             // NOLINT(google-build-using-namespace)
  using namespace lockstep::migration;  // NOLINT(google-build-using-namespace)
  if (argc != 7) return 2;
  killpoint::Init();
  auto definitions = LoadDefinitions(argv[2]);
  if (!definitions.ok()) {
    std::puts(definitions.status().ToString().c_str());
    return 2;
  }
  EngineOptions options;
  options.database_url = argv[1];
  options.admin_url = argv[5];
  options.actor = "process";
  // Renewed every second: a heartbeat may be two seconds late on a busy machine. Whoever takes over
  // from a runner that stopped has to wait for its end.
  options.lease_ttl = absl::Seconds(3);
  options.lease_wait = absl::Seconds(60);
  Engine engine(options, *std::move(definitions));
  const Context context = Context::WithTimeout(absl::Seconds(120));
  NullEventSink sink;
  const RunOptions run{.archive = std::string_view(argv[6]) == "archive"};
  const auto report = std::string_view(argv[3]) == "upgrade"
                          ? engine.Upgrade(context, argv[4], run, sink)
                          : engine.Downgrade(context, argv[4], run, sink);
  if (!report.ok()) std::puts(report.status().ToString().c_str());
  return static_cast<int>(ExitClassOf(report.status()));
}
