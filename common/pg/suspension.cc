#include "common/pg/suspension.h"

namespace lockstep::pg {

absl::Status Suspension::Check() const {
  absl::MutexLock lock(&mu_);
  return why_;
}

absl::StatusOr<Suspension::Work> Suspension::Enter(Connection& connection,
                                                   absl::Duration cancel_grace) {
  auto work = std::make_shared<Canceller::Target>(connection, cancel_grace);
  absl::MutexLock lock(&mu_);
  if (!why_.ok()) return why_;
  works_.insert(work);
  return work;
}

bool Suspension::Leave(const Work& work) {
  const bool was_cancelled = work->Release();
  absl::MutexLock lock(&mu_);
  works_.erase(work);
  return was_cancelled;
}

void Suspension::Begin(const absl::Status& why) {
  absl::MutexLock lock(&mu_);
  why_ = why;
  is_on_ = true;
}

void Suspension::End() {
  absl::MutexLock lock(&mu_);
  why_ = absl::OkStatus();
  is_on_ = false;
}

void Suspension::CancelAll() {
  absl::MutexLock lock(&mu_);
  for (const Work& work : works_) (void)work->Cancel();
}

void Suspension::CutOff() {
  absl::MutexLock lock(&mu_);
  for (const Work& work : works_) work->CutOff();
}

}  // namespace lockstep::pg
