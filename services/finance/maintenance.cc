#include "services/finance/maintenance.h"

#include "common/log/log.h"
#include "common/request_id/request_id.h"

namespace lockstep::finance {

Maintenance::Maintenance(pg::Pool& pool, absl::Duration interval)
    : pool_(pool), interval_(interval), context_(Context::WithDeadline(absl::InfiniteFuture())) {}

Maintenance::~Maintenance() { Stop(); }

void Maintenance::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Maintenance::Stop() {
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  context_.Cancel();
  if (thread_.joinable()) thread_.join();
}

void Maintenance::RunOnce(const Context& context) {
  const auto purged = request_id::PurgeExpired(pool_, context, "finance.request_results");
  if (!purged.ok() && !context.is_cancelled()) {
    log::Warn("maintenance_failed", {{"error", purged.status()}});
  }
}

void Maintenance::Loop() {
  absl::MutexLock lock(&mu_);
  while (!mu_.AwaitWithTimeout(absl::Condition(&is_stopping_), interval_)) {
    mu_.Unlock();
    RunOnce(context_);
    mu_.Lock();
  }
}

}  // namespace lockstep::finance
