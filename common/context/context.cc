#include "common/context/context.h"

#include <list>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/status/error.h"

namespace lockstep {

struct Context::Registration::Entry {
  // Held while the callback runs, so that the end of a registration waits for it.
  absl::Mutex mu;
  std::function<void()> callback ABSL_GUARDED_BY(mu);

  void Run() {
    absl::MutexLock lock(&mu);
    if (callback) std::exchange(callback, nullptr)();
  }
};

struct Context::State {
  absl::Time deadline;
  mutable absl::Mutex mu;
  bool is_cancelled ABSL_GUARDED_BY(mu) = false;
  std::list<std::weak_ptr<Registration::Entry>> entries ABSL_GUARDED_BY(mu);
};

Context Context::WithDeadline(absl::Time deadline) {
  auto state = std::make_shared<State>();
  state->deadline = deadline;
  return Context(std::move(state));
}

Context Context::WithTimeout(absl::Duration timeout) { return WithDeadline(absl::Now() + timeout); }

absl::Time Context::deadline() const { return state_->deadline; }

absl::Duration Context::remaining() const {
  if (state_->deadline == absl::InfiniteFuture()) return absl::InfiniteDuration();
  return std::max(absl::ZeroDuration(), state_->deadline - absl::Now());
}

bool Context::is_cancelled() const {
  absl::MutexLock lock(&state_->mu);
  return state_->is_cancelled;
}

absl::Status Context::Check() const {
  if (is_cancelled()) {
    return Error(absl::StatusCode::kCancelled, "CALL_CANCELLED", "the caller gave up");
  }
  if (remaining() <= absl::ZeroDuration()) {
    return Error(absl::StatusCode::kDeadlineExceeded, "DEADLINE_PASSED",
                 "the call's deadline has passed");
  }
  return absl::OkStatus();
}

void Context::Cancel() const {
  std::list<std::weak_ptr<Registration::Entry>> entries;
  {
    absl::MutexLock lock(&state_->mu);
    if (state_->is_cancelled) return;
    state_->is_cancelled = true;
    entries.swap(state_->entries);
  }
  for (const auto& weak : entries) {
    if (auto entry = weak.lock()) entry->Run();
  }
}

Context::Registration Context::OnCancel(std::function<void()> callback) const {
  Registration registration;
  registration.entry_ = std::make_shared<Registration::Entry>();
  {
    absl::MutexLock lock(&registration.entry_->mu);
    registration.entry_->callback = std::move(callback);
  }
  bool run_now = false;
  {
    absl::MutexLock lock(&state_->mu);
    // A long-lived context sees many registrations: those that ended are dropped on the way.
    state_->entries.remove_if([](const auto& weak) { return weak.expired(); });
    run_now = state_->is_cancelled;
    if (!run_now) state_->entries.push_back(registration.entry_);
  }
  if (run_now) registration.entry_->Run();
  return registration;
}

Context::Registration& Context::Registration::operator=(Registration&& other) noexcept {
  std::swap(entry_, other.entry_);
  return *this;
}

Context::Registration::~Registration() {
  if (entry_ == nullptr) return;
  absl::MutexLock lock(&entry_->mu);
  entry_->callback = nullptr;
}

}  // namespace lockstep
