#include "common/pg/canceller.h"

#include <utility>

#include "absl/time/clock.h"

namespace lockstep::pg {
namespace {
constexpr absl::Duration kRepeatInterval = absl::Milliseconds(10);
}  // namespace

bool Canceller::Target::Release() {
  absl::MutexLock lock(&mu_);
  connection_ = nullptr;
  return is_cancel_sent_;
}

bool Canceller::Target::Cancel() {
  absl::MutexLock lock(&mu_);
  if (connection_ == nullptr) return false;
  if (!is_cancel_sent_) connection_->LimitWaits(absl::Now() + grace_);
  is_cancel_sent_ = true;
  connection_->Cancel(absl::ZeroDuration());
  return true;
}

void Canceller::Target::CutOff() {
  absl::MutexLock lock(&mu_);
  if (connection_ == nullptr) return;
  is_cancel_sent_ = true;
  connection_->CutOff();
}

Canceller::Canceller() : thread_([this] { Run(); }) {}

Canceller::~Canceller() {
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  thread_.join();
}

void Canceller::Request(std::shared_ptr<Target> target) {
  absl::MutexLock lock(&mu_);
  targets_.push_back(std::move(target));
}

void Canceller::Run() {
  while (true) {
    std::vector<std::shared_ptr<Target>> targets;
    {
      absl::MutexLock lock(&mu_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        return is_stopping_ || !targets_.empty();
      };
      mu_.Await(absl::Condition(&has_work));
      if (is_stopping_) return;
      targets.swap(targets_);
    }
    std::erase_if(targets, [](const auto& target) { return !target->Cancel(); });
    if (targets.empty()) continue;
    absl::MutexLock lock(&mu_);
    const auto stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return is_stopping_; };
    if (mu_.AwaitWithTimeout(absl::Condition(&stopping), kRepeatInterval)) return;
    targets_.insert(targets_.end(), targets.begin(), targets.end());
  }
}

}  // namespace lockstep::pg
