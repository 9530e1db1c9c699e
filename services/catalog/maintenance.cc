#include "services/catalog/maintenance.h"

#include "common/log/log.h"
#include "common/outbox/inbox.h"
#include "common/request_id/request_id.h"

namespace lockstep::catalog {
namespace {

// Longer than any sender goes on repeating an event.
constexpr absl::Duration kKeepEvents = absl::Hours(24 * 90);

}  // namespace

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
  const auto answers = request_id::PurgeExpired(pool_, context, "core.request_results");
  const auto events = outbox::PurgeApplied(pool_, context, "core.inbox", kKeepEvents);
  for (const absl::Status& status : {answers.status(), events.status()}) {
    if (!status.ok() && !context.is_cancelled()) {
      log::Warn("maintenance_failed", {{"error", status}});
    }
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

}  // namespace lockstep::catalog
