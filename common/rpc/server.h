// Starts and stops a gRPC server the way every process of the suite does.
//
//   int main(...) {
//     rpc::ShutdownSignals signals;  // first: threads inherit the blocked signals
//     pg::Pool pool(...);
//     rpc::Runner runner(...);
//     OrderService orders(..., runner);
//     const auto probe = [&] { return pool.Ping(absl::Seconds(1)); };
//     return rpc::Serve(server_options, {&orders}, runner, probe, signals);
//   }
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/health.h"
#include "common/rpc/reflection.h"
#include "common/rpc/runner.h"
#include "grpcpp/grpcpp.h"

namespace lockstep::rpc {

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // host:port or unix:PATH; port 0 = any free port
  bool insecure = false;               // allow plaintext on an address that is not loopback
  absl::Duration drain_delay =
      absl::Seconds(1);  // not ready, but serving: time for balancers to notice
  // For open calls to end by themselves. Those that do not are cancelled, with the statements that
  // they run in the database; how long a cancelled call waits for their answers is bounded (see
  // pg::Pool).
  absl::Duration grace = absl::Seconds(20);
  int max_message_bytes = 4 << 20;
  int max_metadata_bytes = 16 << 10;
  int max_concurrent_streams = 1000;  // of one connection
  absl::Duration handshake_timeout = absl::Seconds(5);
  absl::Duration max_connection_idle = absl::Minutes(15);
  absl::Duration max_connection_age = absl::Hours(1);
  absl::Duration max_connection_age_grace = absl::Minutes(10);
  absl::Duration probe_interval = absl::Milliseconds(500);
};

// A running server with health (liveness, readiness, every service) and reflection (v1, v1alpha).
// Shutdown() and ProbeNow() may be called by any thread; everything else by the owner.
class Server final {
 public:
  // Binds and serves. `services` outlive the server. `probe` decides readiness. Errors:
  // FAILED_PRECONDITION (ADDRESS_NOT_LOOPBACK), UNAVAILABLE (ADDRESS_IN_USE, ADDRESS_NOT_USABLE),
  // INVALID_ARGUMENT (ADDRESS_INVALID); the message names the address.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Server>> Start(
      ServerOptions options, const std::vector<grpc::Service*>& services, Runner& runner,
      ReadinessMonitor::Probe probe);
  // Shutdown() without the drain delay, unless it was done.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port in use, also when port 0 was asked for; 0 for a unix socket.
  int port() const { return port_; }
  // "127.0.0.1:7101": what clients dial.
  const std::string& address() const { return address_; }
  Health& health() { return health_; }
  // Asks the readiness probe at once instead of at its next turn. Does not block.
  void ProbeNow();
  // A channel into this server without a socket, for tests.
  std::shared_ptr<grpc::Channel> InProcessChannel();

  // Not ready -> keeps serving for the drain delay -> refuses new calls, waits up to the grace
  // period for open ones, then cancels them. Returns when the last handler has ended. Later calls
  // wait for the first.
  void Shutdown();

 private:
  Server(ServerOptions options, Runner& runner);
  absl::Status Bind(const std::vector<grpc::Service*>& services);
  void ShutdownAfter(absl::Duration drain_delay);

  const ServerOptions options_;
  Runner& runner_;
  int port_ = 0;
  std::string address_;
  Health health_;
  std::vector<std::string> service_names_;
  Reflection reflection_{service_names_};
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex monitor_mu_;  // never held while waiting for a probe
  std::unique_ptr<ReadinessMonitor> monitor_ ABSL_GUARDED_BY(monitor_mu_);
  absl::Mutex shutdown_mu_;
  bool is_shut_down_ ABSL_GUARDED_BY(shutdown_mu_) = false;
};

// Blocks SIGTERM and SIGINT (and ignores SIGPIPE) in the thread that makes it and those started
// after it, so that Wait() gets them. Make it first in main.
class ShutdownSignals final {
 public:
  ShutdownSignals();
  // Returns the number of the signal that came.
  int Wait();
};

// The body of main once everything is built: starts the server, waits for SIGTERM or SIGINT,
// drains, stops the workers. Returns the exit code: 0, or 1 after a message on stderr when the
// server could not start. `before_drain` (may be empty) runs when the signal has come, `after_stop`
// when the last handler has ended: background jobs stop there.
struct ServeHooks {
  std::function<void(Server&)> started;
  std::function<void()> before_drain;
  std::function<void()> after_stop;
};
[[nodiscard]] int Serve(const ServerOptions& options, const std::vector<grpc::Service*>& services,
                        Runner& runner, ReadinessMonitor::Probe probe, ShutdownSignals& signals,
                        const ServeHooks& hooks = {});

}  // namespace lockstep::rpc
