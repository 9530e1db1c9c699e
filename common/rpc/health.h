// grpc.health.v1.Health, answered on gRPC's own threads from memory, so that it works while every
// worker is busy.
//
// Names: "" and "readiness" (may traffic come here?), "liveness" (must the process be restarted?),
// and the full name of every service, which follows readiness. Watch is fed by changes; no thread
// belongs to a watcher.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace lockstep::rpc {

// Thread-safe. Outlives the grpc::Server that it is registered with.
class Health final : public grpc::health::v1::Health::CallbackService {
 public:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  // "liveness" is SERVING; "" and "readiness" are NOT_SERVING until SetReady(true).
  Health();
  ~Health() override;

  // Adds names that follow readiness.
  void AddServices(const std::vector<std::string>& names);
  // Changes readiness everywhere. Ignored after Drain().
  void SetReady(bool is_ready);
  // NOT_SERVING for good: this process is going away. Liveness stays.
  void Drain();
  // Ends the Watch streams, so that they do not hold up the server's shutdown.
  void CloseWatches();

  bool is_ready() const;

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class Watcher;

  // SERVICE_UNKNOWN for a name that nobody added.
  Status StatusOf(const std::string& name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Remove(Watcher* watcher);

  mutable absl::Mutex mu_;
  std::set<std::string> services_ ABSL_GUARDED_BY(mu_);
  std::set<Watcher*> watchers_ ABSL_GUARDED_BY(mu_);
  bool is_ready_ ABSL_GUARDED_BY(mu_) = false;
  bool is_draining_ ABSL_GUARDED_BY(mu_) = false;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
};

// Asks `probe` again and again on a thread of its own and keeps `health` up to date.
class ReadinessMonitor final {
 public:
  // `probe` returns OK when traffic may come. It must return within a second
  // (Pool::Ping(absl::Seconds(1))), so that with the default interval a lost database shows within
  // 2 s. It runs for the first time at once.
  using Probe = std::function<absl::Status()>;
  ReadinessMonitor(Health& health, Probe probe, absl::Duration interval = absl::Milliseconds(500));
  // Waits for a probe that runs.
  ~ReadinessMonitor();
  ReadinessMonitor(const ReadinessMonitor&) = delete;
  ReadinessMonitor& operator=(const ReadinessMonitor&) = delete;

  // Asks again at once, for whoever knows that the answer has changed. Thread-safe, does not block.
  void Wake();

 private:
  void Run();

  Health& health_;
  const Probe probe_;
  const absl::Duration interval_;
  absl::Mutex mu_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool is_woken_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace lockstep::rpc
