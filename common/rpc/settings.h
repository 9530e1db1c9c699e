// The settings that every server process has, with their names on the command line.
#pragma once

#include "common/config/settings.h"
#include "common/rpc/runner.h"
#include "common/rpc/server.h"

namespace lockstep::rpc {

// --listen, --insecure, --workers, --queue, --stream-workers, --stream-queue, --default-deadline,
// --drain-delay, --shutdown-grace.
struct ServerSettings {
  ServerOptions server;
  RunnerOptions runner;

  // `service` ("orders") names the error domain; `listen` is the default address.
  ServerSettings(std::string service, std::string listen);
  // Registers the settings. This object must outlive `settings`.
  void Bind(config::Settings& settings);
  // Copies the numbers that were read into `runner`. Call it after Settings::Load.
  void Apply();

 private:
  int workers_ = 4;
  int queue_ = 256;
  int stream_workers_ = 4;
  int stream_queue_ = 16;
};

}  // namespace lockstep::rpc
