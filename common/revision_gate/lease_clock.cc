#include "common/revision_gate/lease_clock.h"

#include <time.h>

#include <algorithm>

namespace lockstep::revision_gate {
namespace {

constexpr Monotonic::duration kLongestDrain = std::chrono::seconds(3);
constexpr Monotonic::duration kLongestCancel = std::chrono::seconds(1);
constexpr Monotonic::duration kLongestMargin = std::chrono::seconds(1);

}  // namespace

Monotonic::time_point Monotonic::now() noexcept {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return time_point(std::chrono::seconds(time.tv_sec) + duration(time.tv_nsec));
}

LeaseSchedule ScheduleOf(Monotonic::duration ttl) {
  LeaseSchedule schedule;
  schedule.all_closed = ttl - std::min(kLongestMargin, ttl / 10);
  schedule.close = schedule.all_closed - std::min(kLongestCancel, ttl / 10);
  schedule.stop = schedule.close - std::min(kLongestDrain, ttl / 5);
  return schedule;
}

void LeaseClock::Renew(Monotonic::time_point sent_at) {
  sent_at_ = std::max(sent_at_.value_or(sent_at), sent_at);
}

LeasePhase LeaseClock::At(Monotonic::time_point now) const {
  if (!sent_at_.has_value() || now >= *sent_at_ + schedule_.close) return LeasePhase::kClosed;
  return now >= *sent_at_ + schedule_.stop ? LeasePhase::kStopping : LeasePhase::kServing;
}

std::optional<Monotonic::time_point> LeaseClock::NextChange(Monotonic::time_point now) const {
  switch (At(now)) {
    case LeasePhase::kServing:
      return *sent_at_ + schedule_.stop;
    case LeasePhase::kStopping:
      return *sent_at_ + schedule_.close;
    case LeasePhase::kClosed:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace lockstep::revision_gate
