#include "common/pg/access.h"

#include "common/pg/pool.h"

namespace lockstep::pg {

void Access::Suspend(const absl::Status& why, std::chrono::milliseconds grace) {
  const auto deadline = std::chrono::steady_clock::now() + grace;
  absl::MutexLock lock(&mu_);
  refusal_ = why;
  for (Pool* pool : pools_) pool->BeginSuspend(why);
  for (Pool* pool : pools_) pool->EndSuspend(deadline);
}

void Access::Resume() {
  absl::MutexLock lock(&mu_);
  refusal_ = absl::OkStatus();
  for (Pool* pool : pools_) pool->Resume();
}

void Access::Add(Pool& pool) {
  absl::MutexLock lock(&mu_);
  pools_.insert(&pool);
  if (!refusal_.ok()) pool.BeginSuspend(refusal_);
}

void Access::Remove(Pool& pool) {
  absl::MutexLock lock(&mu_);
  pools_.erase(&pool);
}

}  // namespace lockstep::pg
