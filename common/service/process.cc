#include "common/service/process.h"

#include <utility>

#include "common/killpoint/killpoint.h"
#include "common/log/log.h"

namespace lockstep::service {

Process::Process(std::string name, std::string listen, std::string description)
    : name_(std::move(name)),
      server_(name_, std::move(listen)),
      settings_(program(), std::move(description)) {
  killpoint::Init();
  server_.Bind(settings_);
  settings_.Add("log_level", &log_level_, "debug, info, warn, error or off.")
      .OneOf({"debug", "info", "warn", "error", "off"});
}

std::optional<int> Process::Load(int argc, const char* const* argv) {
  if (const std::optional<int> exit_code = settings_.Load(argc, argv)) return exit_code;
  server_.Apply();
  log::Init(name_, *log::ParseLevel(log_level_));
  return std::nullopt;
}

int Process::Serve(const std::vector<grpc::Service*>& services, rpc::Runner& runner,
                   rpc::ReadinessMonitor::Probe probe, const rpc::ServeHooks& hooks) {
  return rpc::Serve(server_.server, services, runner, std::move(probe), signals_, hooks);
}

}  // namespace lockstep::service
