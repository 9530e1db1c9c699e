#include "common/time/clock.h"

#include "absl/time/clock.h"
#include "common/time/time.h"

namespace lockstep::time {

absl::Time SystemClock::Now() const { return TruncateToMicros(absl::Now()); }

absl::Time FakeClock::Now() const {
  absl::MutexLock lock(&mu_);
  return now_;
}

void FakeClock::Set(absl::Time now) {
  absl::MutexLock lock(&mu_);
  now_ = now;
}

void FakeClock::Advance(absl::Duration by) {
  absl::MutexLock lock(&mu_);
  now_ += by;
}

}  // namespace lockstep::time
