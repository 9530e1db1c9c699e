#include "services/migration/server/run_manager.h"

#include <utility>
#include <vector>

#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {

// Tells watchers that there is something to read. An event reaches the sink shortly before the
// ledger has it, so the notification may come early; the one after it, or the one at the end, makes
// up for that.
class RunManager::Sink final : public EventSink {
 public:
  Sink(RunManager& manager, std::string run_id) : manager_(manager), run_id_(std::move(run_id)) {}

  void OnEvent(const RunEvent& event) override {
    {
      absl::MutexLock lock(&manager_.mu_);
      manager_.is_recorded_ = true;
    }
    log::Info("run_event", {{"run", run_id_},
                            {"kind", event.kind},
                            {"revision", event.revision},
                            {"step", event.step_name},
                            {"message", event.message}});
    manager_.NotifyWatchers(run_id_);
  }

 private:
  RunManager& manager_;
  const std::string run_id_;
};

RunManager::~RunManager() {
  {
    absl::MutexLock lock(&mu_);
    if (active_context_.has_value()) active_context_->Cancel();
  }
  absl::MutexLock lock(&thread_mu_);
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<RunInfo> RunManager::Start(const Context& context, Direction direction,
                                          const std::string& target, const RunOptions& run) {
  // A repeated request finds the run that it started before.
  if (auto known = engine_.GetRun(context, run.run_id); known.ok()) {
    const std::string kind = direction == Direction::kUp ? "upgrade" : "downgrade";
    if (known->kind != kind || known->target != target) {
      return Error(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
                   "this request_id belongs to another request")
          .Field("request_id", "use a new UUID for a new request");
    }
    return known;
  }
  absl::MutexLock thread_lock(&thread_mu_);
  {
    absl::MutexLock lock(&mu_);
    if (!active_run_.empty()) {
      return Error(absl::StatusCode::kAborted, "RUN_IN_PROGRESS",
                   "this process works on another run; watch it, or try again when it is over")
          .With("run", active_run_);
    }
    active_run_ = run.run_id;
    is_recorded_ = false;
    active_context_ = Context::WithDeadline(absl::InfiniteFuture());
  }
  if (thread_.joinable()) thread_.join();
  Context run_context = [this] {
    absl::MutexLock lock(&mu_);
    return *active_context_;
  }();
  thread_ = std::thread(
      [this, direction, target, run, run_context] { Work(direction, target, run, run_context); });
  absl::Status early;
  {
    absl::MutexLock lock(&mu_);
    const auto is_known = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return is_recorded_ || active_run_.empty();
    };
    mu_.AwaitWithTimeout(absl::Condition(&is_known), context.remaining());
    if (!is_recorded_ && active_run_.empty()) early = last_status_;
  }
  // Refused before the ledger had a line for it: the caller gets the reason itself.
  RETURN_IF_ERROR(early);
  return engine_.GetRun(context, run.run_id);
}

void RunManager::Work(Direction direction, std::string target, RunOptions run, Context context) {
  Sink sink(*this, run.run_id);
  run.record_when_empty = true;
  const auto report = direction == Direction::kUp ? engine_.Upgrade(context, target, run, sink)
                                                  : engine_.Downgrade(context, target, run, sink);
  if (!report.ok()) {
    log::Warn("run_failed", {{"run", run.run_id},
                             {"reason", ReasonOf(report.status())},
                             {"error", MessageOf(report.status())}});
  }
  {
    absl::MutexLock lock(&mu_);
    last_status_ = report.status();
    active_run_.clear();
    active_context_.reset();
  }
  NotifyWatchers(run.run_id);
}

absl::Status RunManager::Cancel(const std::string& run_id) {
  std::optional<Context> context;
  {
    absl::MutexLock lock(&mu_);
    if (active_run_ == run_id) context = active_context_;
  }
  if (!context.has_value()) {
    return Error(absl::StatusCode::kFailedPrecondition, "RUN_NOT_ACTIVE",
                 "the run is over, or another process works on it")
        .With("run", run_id);
  }
  context->Cancel();
  return absl::OkStatus();
}

std::unique_ptr<RunManager::Subscription> RunManager::Subscribe(std::string run_id,
                                                                std::function<void()> notify) {
  absl::MutexLock lock(&mu_);
  const std::uint64_t id = next_watcher_++;
  watchers_[id] = {std::move(run_id), std::move(notify)};
  return std::make_unique<Subscription>(*this, id);
}

RunManager::Subscription::~Subscription() {
  absl::MutexLock lock(&manager_->mu_);
  manager_->watchers_.erase(id_);
}

bool RunManager::IsActive(const std::string& run_id) const {
  absl::MutexLock lock(&mu_);
  return active_run_ == run_id;
}

void RunManager::NotifyWatchers(const std::string& run_id) {
  absl::MutexLock lock(&mu_);
  for (const auto& [id, watcher] : watchers_) {
    if (watcher.run_id == run_id) watcher.notify();
  }
}

}  // namespace lockstep::migration
