#include "common/maintenance/maintenance.h"

#include <utility>

#include "common/log/log.h"

namespace lockstep::maintenance {

Maintenance::Maintenance(std::vector<Task> tasks, absl::Duration interval)
    : tasks_(std::move(tasks)),
      interval_(interval),
      context_(Context::WithDeadline(absl::InfiniteFuture())) {}

Maintenance::~Maintenance() { Stop(); }

void Maintenance::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Maintenance::Stop() {
  if (!thread_.joinable()) return;
  stop_.Notify();
  context_.Cancel();
  thread_.join();
}

void Maintenance::RunOnce(const Context& context) const {
  for (const Task& task : tasks_) {
    if (context.is_cancelled()) return;
    const absl::StatusOr<std::int64_t> done = task.run(context);
    if (done.ok()) {
      if (*done > 0) log::Info("maintenance_done", {{"task", task.name}, {"count", *done}});
    } else if (!context.is_cancelled()) {
      log::Warn("maintenance_failed", {{"task", task.name}, {"error", done.status()}});
    }
  }
}

void Maintenance::Loop() {
  while (!stop_.WaitForNotificationWithTimeout(interval_)) {
    const Context round = Context::WithTimeout(interval_);
    const Context::Registration link = context_.OnCancel([&round] { round.Cancel(); });
    RunOnce(round);
  }
}

}  // namespace lockstep::maintenance
