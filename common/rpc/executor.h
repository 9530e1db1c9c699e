// Admission control for RPC handlers.
//
// `Executor` runs tasks on a fixed set of threads behind a bounded queue. When the queue is full it
// says so at once, so that overload turns into a quick refusal instead of a slow success.
#pragma once

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace lockstep::rpc {

// Thread-safe.
class Executor final {
 public:
  // Starts `threads` workers. At most `queue_capacity` tasks wait. REQUIRES: both > 0.
  Executor(std::size_t threads, std::size_t queue_capacity);
  // Stop().
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Returns false, without running `task`, when the queue is full or the executor is stopping.
  // `task` must not throw.
  [[nodiscard]] bool TryPost(absl::AnyInvocable<void()> task);

  // Finishes the tasks that were accepted, then joins the workers. Later calls do nothing. Must not
  // be called by a task.
  void Stop();

  // Stop() has been called: what is refused now is refused for good.
  bool is_stopping() const;
  std::size_t threads() const { return thread_count_; }
  // Tasks that wait, not counting those that run.
  std::size_t queued() const;

 private:
  void Work();
  bool HasWorkOrStops() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !queue_.empty() || is_stopping_;
  }

  const std::size_t thread_count_;
  const std::size_t queue_capacity_;
  mutable absl::Mutex mu_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mu_);
  std::size_t idle_ ABSL_GUARDED_BY(mu_) = 0;  // workers that wait for a task
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Mutex join_mu_;  // One Stop() joins, others wait for it.
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(join_mu_);
};

}  // namespace lockstep::rpc
