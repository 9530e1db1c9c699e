#include "common/rpc/executor.h"

#include <utility>

namespace lockstep::rpc {

Executor::Executor(std::size_t threads, std::size_t queue_capacity)
    : thread_count_(threads), queue_capacity_(queue_capacity) {
  absl::MutexLock lock(&join_mu_);
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

Executor::~Executor() { Stop(); }

bool Executor::TryPost(absl::AnyInvocable<void()> task) {
  absl::MutexLock lock(&mu_);
  // A task that an idle worker is about to take does not count as waiting.
  if (is_stopping_ || queue_.size() >= queue_capacity_ + idle_) return false;
  queue_.push_back(std::move(task));
  return true;
}

void Executor::Stop() {
  absl::MutexLock join_lock(&join_mu_);
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Executor::is_stopping() const {
  absl::MutexLock lock(&mu_);
  return is_stopping_;
}

std::size_t Executor::queued() const {
  absl::MutexLock lock(&mu_);
  return queue_.size();
}

void Executor::Work() {
  while (true) {
    absl::AnyInvocable<void()> task;
    {
      absl::MutexLock lock(&mu_);
      ++idle_;
      mu_.Await(absl::Condition(this, &Executor::HasWorkOrStops));
      --idle_;
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace lockstep::rpc
