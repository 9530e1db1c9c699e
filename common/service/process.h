// What main does in the same way in every process of the suite.
//
//   int main(int argc, char** argv) {
//     Options options;
//     service::Process process("orders", "127.0.0.1:7102", "Orders of every marketplace.");
//     process.settings().Add("import_set_size", &options.import_set_size, "...");
//     if (const auto exit_code = process.Load(argc, argv)) return *exit_code;
//     ...
//     return process.Serve({&orders}, runner, probe);
//   }
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/config/settings.h"
#include "common/rpc/server.h"
#include "common/rpc/settings.h"

namespace lockstep::service {

class Process final {
 public:
  // Make it before anything that starts threads: they inherit the blocked signals. `name`
  // ("orders") is that of lockstep-orders, of the error domain and of the log lines; `listen` is
  // the default address; `description` is one sentence for --help.
  Process(std::string name, std::string listen, std::string description);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const std::string& name() const { return name_; }
  // "lockstep-orders".
  std::string program() const { return "lockstep-" + name_; }

  // Those of rpc::ServerSettings and --log-level; add the process's own before Load. What they fill
  // must outlive this object.
  config::Settings& settings() { return settings_; }
  // Fills the settings and starts the log. Returns the exit code when the process should end now.
  [[nodiscard]] std::optional<int> Load(int argc, const char* const* argv);

  // After Load.
  const rpc::ServerOptions& server_options() const { return server_.server; }
  const rpc::RunnerOptions& runner_options() const { return server_.runner; }
  // Serves until SIGTERM or SIGINT; returns the exit code. See rpc::Serve.
  [[nodiscard]] int Serve(const std::vector<grpc::Service*>& services, rpc::Runner& runner,
                          rpc::ReadinessMonitor::Probe probe, const rpc::ServeHooks& hooks = {});

 private:
  rpc::ShutdownSignals signals_;
  const std::string name_;
  std::string log_level_ = "info";
  rpc::ServerSettings server_;
  config::Settings settings_;
};

}  // namespace lockstep::service
