#include "common/rpc/server.h"

#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/rpc/address.h"
#include "common/rpc/reflection.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/impl/server_builder_plugin.h"
#include "grpcpp/impl/server_initializer.h"

namespace lockstep::rpc {
namespace {

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// Once descriptors run out, this gRPC release never accepts again: start with as many as the system
// gives.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) log::Warn("descriptor_limit_not_raised");
}

// Tells which services were registered; grpc::Service itself does not know its name.
class NamesPlugin final : public grpc::ServerBuilderPlugin {
 public:
  explicit NamesPlugin(ServiceNames& names) : names_(names) {}
  std::string name() override { return "lockstep_service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* initializer) override {
    names_ = *initializer->GetServiceList();
  }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  ServiceNames& names_;
};

class NamesOption final : public grpc::ServerBuilderOption {
 public:
  explicit NamesOption(ServiceNames& names) : names_(names) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->push_back(std::make_unique<NamesPlugin>(names_));
  }

 private:
  ServiceNames& names_;
};

void Harden(grpc::ServerBuilder& builder, const ServerOptions& options) {
  // A second instance must fail to start instead of taking a share of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             Milliseconds(options.handshake_timeout));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             Milliseconds(options.max_connection_idle));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                             Milliseconds(options.max_connection_age));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                             Milliseconds(options.max_connection_age_grace));
  // Peers that vanished without a word are noticed within two and a half minutes.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 120'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, options.max_metadata_bytes);
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.SetMaxSendMessageSize(options.max_message_bytes);
}

}  // namespace

Server::Server(ServerOptions options, Runner& runner)
    : options_(std::move(options)), runner_(runner) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options,
                                                      const std::vector<grpc::Service*>& services,
                                                      Runner& runner,
                                                      ReadinessMonitor::Probe probe) {
  RaiseDescriptorLimit();
  std::unique_ptr<Server> server(new Server(std::move(options), runner));
  RETURN_IF_ERROR(server->Bind(services));
  absl::MutexLock lock(&server->monitor_mu_);
  server->monitor_ = std::make_unique<ReadinessMonitor>(server->health_, std::move(probe),
                                                        server->options_.probe_interval);
  return server;
}

absl::Status Server::Bind(const std::vector<grpc::Service*>& services) {
  ASSIGN_OR_RETURN(ListenAddress address, ParseListenAddress(options_.listen));
  if (!address.IsLoopback() && !options_.insecure) {
    return Error(absl::StatusCode::kFailedPrecondition, "ADDRESS_NOT_LOOPBACK",
                 "refusing to listen on " + address.Text() +
                     ": there is no authentication or TLS yet, so only loopback addresses are"
                     " served; pass --insecure if the network around it is trusted");
  }
  grpc::ServerBuilder builder;
  Harden(builder, options_);
  int port = 0;
  builder.AddListeningPort(address.Text(), grpc::InsecureServerCredentials(), &port);
  builder.SetOption(std::make_unique<NamesOption>(service_names_));
  for (grpc::Service* service : reflection_.services()) builder.RegisterService(service);
  builder.RegisterService(&health_);
  for (grpc::Service* service : services) builder.RegisterService(service);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || (port == 0 && !address.is_unix())) {
    server_.reset();
    return WhyNotBound(address);
  }
  if (!address.is_unix()) address.port = static_cast<std::uint16_t>(port);
  port_ = address.port;
  address_ = address.Text();
  health_.AddServices(service_names_);
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> Server::InProcessChannel() {
  return server_->InProcessChannel(grpc::ChannelArguments());
}

Server::~Server() {
  if (server_ != nullptr) ShutdownAfter(absl::ZeroDuration());
}

void Server::ProbeNow() {
  absl::MutexLock lock(&monitor_mu_);
  if (monitor_ != nullptr) monitor_->Wake();
}

void Server::Shutdown() { ShutdownAfter(options_.drain_delay); }

void Server::ShutdownAfter(absl::Duration drain_delay) {
  absl::MutexLock lock(&shutdown_mu_);
  if (is_shut_down_) return;
  is_shut_down_ = true;
  health_.Drain();
  log::Info("draining", {{"address", address_}});
  absl::SleepFor(drain_delay);
  // Streams that would stay open for as long as their clients like.
  health_.CloseWatches();
  runner_.CloseEvents();
  reflection_.CloseStreams();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + options_.grace));
  std::unique_ptr<ReadinessMonitor> monitor;
  {
    absl::MutexLock monitor_lock(&monitor_mu_);
    monitor.swap(monitor_);
  }
  monitor.reset();
  log::Info("stopped", {{"address", address_}});
}

ShutdownSignals::ShutdownSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A peer that closes its end is an error of one write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
}

int ShutdownSignals::Wait() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  int signal = 0;
  sigwait(&set, &signal);
  return signal;
}

int Serve(const ServerOptions& options, const std::vector<grpc::Service*>& services, Runner& runner,
          ReadinessMonitor::Probe probe, ShutdownSignals& signals, const ServeHooks& hooks) {
  auto server = Server::Start(options, services, runner, std::move(probe));
  if (!server.ok()) {
    log::Error("server_not_started", {{"why", server.status()}});
    std::fprintf(stderr, "%s\n", MessageOf(server.status()).c_str());
    return 1;
  }
  log::Info("serving", {{"address", (*server)->address()}});
  if (hooks.started) hooks.started(**server);
  const int signal = signals.Wait();
  log::Info("signal", {{"signal", signal}});
  if (hooks.before_drain) hooks.before_drain();
  (*server)->Shutdown();
  runner.Stop();
  if (hooks.after_stop) hooks.after_stop();
  return 0;
}

}  // namespace lockstep::rpc
