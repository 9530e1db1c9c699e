#include "services/migration/engine/run/backfill/pacer.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace lockstep::migration {

Pacer::Pacer(const Backfill& backfill, int rows)
    : backfill_(backfill),
      size_(std::clamp(rows, backfill.min_rows, backfill.max_rows)),
      next_turn_(absl::InfinitePast()),
      worker_held_until_(absl::InfinitePast()),
      booked_(absl::Now()) {}

std::string Pacer::WhyNot() const {
  if (is_paused_) return "paused";
  if (!held_.empty()) return held_;
  return absl::Now() < worker_held_until_ ? worker_held_ : "";
}

bool Pacer::MayGo() const { return WhyNot().empty(); }

void Pacer::Book() {
  const absl::Time now = absl::Now();
  const std::string why = WhyNot();
  if (why.empty()) {
    reading_.moving += now - booked_;
  } else {
    reading_.held_for[why.substr(0, why.find(':'))] += now - booked_;
  }
  booked_ = now;
}

absl::StatusOr<int> Pacer::AwaitTurn() {
  // Short slices: the rate and the time until which somebody holds pass without a notification.
  constexpr absl::Duration kSlice = absl::Milliseconds(20);
  absl::MutexLock lock(&mutex_);
  while (true) {
    if (!stopped_.ok()) return stopped_;
    const absl::Time now = absl::Now();
    if (MayGo() && now >= next_turn_) {
      int rows = std::max(1, static_cast<int>(size_));
      if (rate_ > 0) rows = std::min(rows, rate_);
      if (rate_ > 0) next_turn_ = now + absl::Seconds(static_cast<double>(rows) / rate_);
      return rows;
    }
    const auto may_go = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !stopped_.ok() || (MayGo() && absl::Now() >= next_turn_);
    };
    mutex_.AwaitWithTimeout(absl::Condition(&may_go), kSlice);
  }
}

void Pacer::Finished(std::int64_t rows, absl::Duration took) {
  absl::MutexLock lock(&mutex_);
  reading_.rows += rows;
  ++reading_.batches;
  if (backfill_.pause_ms > 0) {
    next_turn_ = std::max(next_turn_, absl::Now() + absl::Milliseconds(backfill_.pause_ms));
  }
  // The short last batch of a range says nothing about the size of others.
  if (static_cast<double>(rows) < size_ / 2) return;
  const double factor = absl::FDivDuration(absl::Milliseconds(backfill_.target_ms),
                                           std::max(took, absl::Microseconds(100)));
  // From the rows of this batch, not from the size now: another worker may have changed that since.
  const double wanted = static_cast<double>(rows) * factor;
  size_ =
      std::clamp(std::clamp(wanted, size_ / 2, size_ * 2), static_cast<double>(backfill_.min_rows),
                 static_cast<double>(backfill_.max_rows));
}

void Pacer::TimedOut() {
  absl::MutexLock lock(&mutex_);
  size_ = std::max(size_ / 2, static_cast<double>(backfill_.min_rows));
}

void Pacer::HoldFor(const std::string& reason, absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  Book();
  worker_held_ = reason;
  worker_held_until_ = absl::Now() + duration;
}

void Pacer::Hold(const std::string& reason) {
  absl::MutexLock lock(&mutex_);
  Book();
  held_ = reason;
}

void Pacer::Pause(bool is_paused) {
  absl::MutexLock lock(&mutex_);
  Book();
  is_paused_ = is_paused;
}

void Pacer::LimitRate(int rows_per_second) {
  absl::MutexLock lock(&mutex_);
  if (rate_ == rows_per_second) return;
  rate_ = rows_per_second;
  next_turn_ = absl::InfinitePast();
}

void Pacer::Stop(const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  if (stopped_.ok()) stopped_ = why;
}

Pacer::Reading Pacer::Read() {
  absl::MutexLock lock(&mutex_);
  Book();
  Reading reading = reading_;
  reading.batch_rows = static_cast<int>(size_);
  reading.is_paused = is_paused_;
  const std::string why = WhyNot();
  reading.held = is_paused_ ? "" : why;
  return reading;
}

}  // namespace lockstep::migration
