#include "common/rpc/settings.h"

#include <utility>

namespace lockstep::rpc {

ServerSettings::ServerSettings(std::string service, std::string listen) {
  runner.service = std::move(service);
  server.listen = std::move(listen);
}

void ServerSettings::Bind(config::Settings& settings) {
  settings.Add("listen", &server.listen, "Address of the gRPC server: host:port or unix:PATH.");
  settings.Add("insecure", &server.insecure,
               "Allow an address that other machines can reach, without TLS or authentication.");
  settings.Add("workers", &workers_, "Threads that run unary calls; one database connection each.")
      .Range(1, 256);
  settings.Add("queue", &queue_, "Unary calls that may wait for a worker; more are refused.")
      .Range(1, 100'000);
  settings.Add("stream_workers", &stream_workers_, "Threads that run streaming calls.")
      .Range(1, 256);
  settings.Add("stream_queue", &stream_queue_, "Streaming calls that may wait for a worker.")
      .Range(1, 10'000);
  settings
      .Add("default_deadline", &runner.default_deadline,
           "Longest time for a unary call that brings no deadline.")
      .Range(absl::Milliseconds(1), absl::Hours(1));
  settings
      .Add("drain_delay", &server.drain_delay,
           "Time between not being ready and refusing calls at shutdown.")
      .Range(absl::ZeroDuration(), absl::Minutes(10));
  settings
      .Add("shutdown_grace", &server.grace,
           "Longest wait for open calls at shutdown; then they are cancelled.")
      .Range(absl::ZeroDuration(), absl::Hours(1));
}

void ServerSettings::Apply() {
  runner.workers = static_cast<std::size_t>(workers_);
  runner.queue_capacity = static_cast<std::size_t>(queue_);
  runner.stream_workers = static_cast<std::size_t>(stream_workers_);
  runner.stream_queue_capacity = static_cast<std::size_t>(stream_queue_);
}

}  // namespace lockstep::rpc
