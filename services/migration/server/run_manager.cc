#include "services/migration/server/run_manager.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/api.h"

namespace lockstep::migration {
namespace {

// From a run's last line in the ledger to the end of its work.
constexpr absl::Duration kLongestEnd = absl::Seconds(5);

}  // namespace

// Logs what happens and tells the watchers' readers that there is something to read.
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
    manager_.feed_.Wake();
    manager_.revisions_.Wake();
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

absl::Status RunManager::AwaitIdle(const Context& context) {
  const auto active = [this] {
    absl::MutexLock lock(&mu_);
    return active_run_;
  };
  const std::string run_id = active();
  if (run_id.empty()) return absl::OkStatus();
  // A run that the ledger calls over still gives its lease back: who saw its end may start the
  // next.
  const absl::StatusOr<RunInfo> run = engines_.Known()->GetRun(context, run_id);
  if (run.ok() && run->finished_at.has_value()) {
    absl::MutexLock lock(&mu_);
    const auto is_idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return active_run_.empty(); };
    mu_.AwaitWithTimeout(absl::Condition(&is_idle), std::min(context.remaining(), kLongestEnd));
  }
  if (active().empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kAborted, "RUN_IN_PROGRESS",
               "this process works on another run; watch it, or try again when it is over")
      .With("run", run_id);
}

absl::StatusOr<RunInfo> RunManager::Start(const Context& context, Direction direction,
                                          const std::string& target, const RunOptions& run) {
  // Before the search: of two equal requests at the same time the second finds the first one's run.
  absl::MutexLock thread_lock(&thread_mu_);
  ASSIGN_OR_RETURN(
      std::optional<RunInfo> earlier,
      FindEarlierRun(context, *engines_.Known(), run.run_id,
                     {.kind = direction == Direction::kUp ? "upgrade" : "downgrade",
                      .target = target,
                      .archive = run.archive,
                      .allow_irreversible = run.allow_irreversible,
                      .force_freeze = run.force_freeze,
                      .force_gate = run.force_gate,
                      .force_locks = run.force_locks,
                      .plan = run.reviewed.has_value() ? FingerprintOf(*run.reviewed) : ""}));
  if (earlier.has_value()) return *std::move(earlier);
  RETURN_IF_ERROR(AwaitIdle(context));
  ASSIGN_OR_RETURN(std::shared_ptr<Engine> engine, engines_.Fresh());
  if (thread_.joinable()) thread_.join();
  const Context run_context = Context::WithDeadline(absl::InfiniteFuture());
  {
    absl::MutexLock lock(&mu_);
    active_run_ = run.run_id;
    is_recorded_ = false;
    active_context_ = run_context;
  }
  thread_ = std::thread([this, engine = std::move(engine), direction, target, run, run_context] {
    Work(engine, direction, target, run, run_context);
  });
  absl::Status early;
  {
    absl::MutexLock lock(&mu_);
    const auto is_known = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return is_recorded_ || active_run_.empty();
    };
    mu_.AwaitWithTimeout(absl::Condition(&is_known), context.remaining());
    if (!is_recorded_ && active_run_.empty()) early = last_status_;
  }
  // Refused before the ledger had a line for it: the caller gets the reason itself.
  RETURN_IF_ERROR(early);
  return engines_.Known()->GetRun(context, run.run_id);
}

void RunManager::Work(std::shared_ptr<Engine> engine, Direction direction,
                      const std::string& target, RunOptions run, const Context& context) {
  Sink sink(*this, run.run_id);
  run.record_when_empty = true;
  const auto report = direction == Direction::kUp ? engine->Upgrade(context, target, run, sink)
                                                  : engine->Downgrade(context, target, run, sink);
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
  feed_.Wake();
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

}  // namespace lockstep::migration
