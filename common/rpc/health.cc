#include "common/rpc/health.h"

#include <optional>
#include <utility>

#include "common/log/log.h"
#include "grpcpp/grpcpp.h"

namespace lockstep::rpc {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

namespace {

constexpr char kLiveness[] = "liveness";
constexpr char kReadiness[] = "readiness";
// Each open Watch costs a few KB.
constexpr std::size_t kMaxWatchers = 10'000;

}  // namespace

// One Watch stream: sends the newest status whenever it differs from what was sent. Statuses that
// come while a write is under way replace each other, so a slow watcher costs no memory.
// Health::mu_ guards the state.
class Health::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  Watcher(Health& health, std::string name) : health_(health), name_(std::move(name)) {}

  const std::string& name() const { return name_; }

  // REQUIRES: Health::mu_ held. gRPC's reactions run on other threads, so writing under the lock is
  // safe.
  void Offer(Status status) {
    if (!end_.has_value()) wanted_ = status;
    Advance();
  }
  // Ends the stream when the newest status has been sent. REQUIRES: Health::mu_ held.
  void End(grpc::Status status) {
    if (!end_.has_value()) end_ = std::move(status);
    Advance();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&health_.mu_);
    is_writing_ = false;
    if (!ok) return Abandon();
    Advance();
  }
  void OnCancel() override {
    absl::MutexLock lock(&health_.mu_);
    Abandon();
  }
  void OnDone() override {
    health_.Remove(this);
    delete this;
  }

 private:
  // Nobody reads any more.
  void Abandon() {
    wanted_ = sent_;
    End(grpc::Status::CANCELLED);
  }

  void Advance() {
    if (is_writing_ || is_finished_) return;
    if (end_.has_value() && wanted_ == sent_) {
      is_finished_ = true;
      return Finish(*end_);
    }
    if (wanted_ == sent_) return;
    sent_ = wanted_;
    message_.set_status(*wanted_);
    is_writing_ = true;
    StartWrite(&message_);
  }

  Health& health_;
  const std::string name_;
  HealthCheckResponse message_;
  std::optional<Status> wanted_;
  std::optional<Status> sent_;
  std::optional<grpc::Status> end_;
  bool is_writing_ = false;
  bool is_finished_ = false;
};

Health::Health() = default;
Health::~Health() = default;

void Health::AddServices(const std::vector<std::string>& names) {
  absl::MutexLock lock(&mu_);
  services_.insert(names.begin(), names.end());
  Publish();
}

void Health::SetReady(bool is_ready) {
  absl::MutexLock lock(&mu_);
  if (is_draining_ || is_ready_ == is_ready) return;
  is_ready_ = is_ready;
  Publish();
}

void Health::Drain() {
  absl::MutexLock lock(&mu_);
  is_draining_ = true;
  is_ready_ = false;
  Publish();
}

void Health::CloseWatches() {
  absl::MutexLock lock(&mu_);
  is_closed_ = true;
  for (Watcher* watcher : watchers_) {
    watcher->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the process is shutting down"));
  }
}

bool Health::is_ready() const {
  absl::MutexLock lock(&mu_);
  return is_ready_;
}

Health::Status Health::StatusOf(const std::string& name) const {
  if (name == kLiveness) return HealthCheckResponse::SERVING;
  if (!name.empty() && name != kReadiness && !services_.contains(name)) {
    return HealthCheckResponse::SERVICE_UNKNOWN;
  }
  return is_ready_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void Health::Publish() {
  for (Watcher* watcher : watchers_) watcher->Offer(StatusOf(watcher->name()));
}

void Health::Remove(Watcher* watcher) {
  absl::MutexLock lock(&mu_);
  watchers_.erase(watcher);
}

grpc::ServerUnaryReactor* Health::Check(grpc::CallbackServerContext* context,
                                        const HealthCheckRequest* request,
                                        HealthCheckResponse* response) {
  auto* reactor = context->DefaultReactor();
  absl::MutexLock lock(&mu_);
  const Status status = StatusOf(request->service());
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no service of this name is here"));
  } else {
    response->set_status(status);
    reactor->Finish(grpc::Status::OK);
  }
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* Health::Watch(grpc::CallbackServerContext*,
                                                             const HealthCheckRequest* request) {
  auto* watcher = new Watcher(*this, request->service());
  absl::MutexLock lock(&mu_);
  if (is_closed_) {
    watcher->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the process is shutting down"));
  } else if (watchers_.size() >= kMaxWatchers) {
    watcher->End(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many health watchers"));
  } else {
    watchers_.insert(watcher);
    watcher->Offer(StatusOf(request->service()));
  }
  return watcher;
}

ReadinessMonitor::ReadinessMonitor(Health& health, Probe probe, absl::Duration interval)
    : health_(health), probe_(std::move(probe)), interval_(interval) {
  thread_ = std::thread([this] { Run(); });
}

ReadinessMonitor::~ReadinessMonitor() {
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  thread_.join();
}

void ReadinessMonitor::Wake() {
  absl::MutexLock lock(&mu_);
  is_woken_ = true;
}

void ReadinessMonitor::Run() {
  std::optional<bool> was_ready;
  while (true) {
    const absl::Status status = probe_();
    health_.SetReady(status.ok());
    if (was_ready != status.ok()) {
      // Once per change: a database that is away for an hour must not fill the log.
      if (status.ok()) {
        log::Info("ready");
      } else {
        log::Warn("not_ready", {{"why", status}});
      }
      was_ready = status.ok();
    }
    absl::MutexLock lock(&mu_);
    const auto must_go_on = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return is_stopping_ || is_woken_;
    };
    mu_.AwaitWithTimeout(absl::Condition(&must_go_on), interval_);
    if (is_stopping_) return;
    is_woken_ = false;
  }
}

}  // namespace lockstep::rpc
