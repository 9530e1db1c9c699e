// How fast the workers of a backfill go: the size of their batches, the rate, and whether they go
// at all. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

class Pacer {
 public:
  // `rows` is the size of the first batch.
  Pacer(const Backfill& backfill, int rows);

  // --- for workers ---
  // Returns the size of the next batch once one may begin, or why none may any more.
  absl::StatusOr<int> AwaitTurn();
  // A batch of `rows` rows took so long: the next ones come nearer to the target, at most by a
  // factor of two.
  void Finished(std::int64_t rows, absl::Duration took);
  // A batch did not get its locks or its time: half the size.
  void TimedOut();
  // Nobody begins a batch for this long; counts as held.
  void HoldFor(const std::string& reason, absl::Duration duration);

  // --- for the one who watches them ---
  // "" lets them go; else nobody begins a batch.
  void Hold(const std::string& reason);
  void Pause(bool is_paused);
  void LimitRate(int rows_per_second);  // 0 = no limit
  // Every AwaitTurn() returns this from now on.
  void Stop(const absl::Status& why);

  struct Reading {
    int batch_rows = 0;
    std::int64_t rows = 0;     // walked since the pacer was made
    std::int64_t batches = 0;  // likewise
    bool is_paused = false;
    std::string held;       // reason, "" = not held
    absl::Duration moving;  // time in which batches might begin
    std::map<std::string, absl::Duration> held_for;
  };
  Reading Read();

 private:
  bool MayGo() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string WhyNot() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Books the time since the last call to what has been the case since then.
  void Book() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Backfill& backfill_;
  absl::Mutex mutex_;
  double size_ ABSL_GUARDED_BY(mutex_);
  int rate_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time next_turn_ ABSL_GUARDED_BY(mutex_);
  absl::Status stopped_ ABSL_GUARDED_BY(mutex_);
  bool is_paused_ ABSL_GUARDED_BY(mutex_) = false;
  std::string held_ ABSL_GUARDED_BY(mutex_);
  std::string worker_held_ ABSL_GUARDED_BY(mutex_);
  absl::Time worker_held_until_ ABSL_GUARDED_BY(mutex_);
  absl::Time booked_ ABSL_GUARDED_BY(mutex_);
  Reading reading_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lockstep::migration
