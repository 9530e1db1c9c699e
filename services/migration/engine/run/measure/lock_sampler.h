// What statements that cannot run in a transaction of ours do to the relations that were there
// before them.
//
// CREATE INDEX CONCURRENTLY and its like begin and end transactions of their own, and let go of
// their locks with each. So a second session looks at pg_locks again and again while they work, at
// what they hold and at what they wait for: whoever waits for a lock will hold it. On a small table
// they would be over before anybody has looked, so a third session stands in their way until they
// were seen to wait for it: it has an old snapshot and reads every table. A lock that is taken
// after that and let go between two looks (about a millisecond apart) is not seen.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/measure/meter.h"

namespace lockstep::migration {

class LockSampler {
 public:
  // Begins to look at the session with `backend_pid`, over `connection`, which nobody else may use
  // meanwhile. `holder`: the session that stands in the way; null = none.
  static absl::StatusOr<std::unique_ptr<LockSampler>> Start(
      std::unique_ptr<pg::Connection> connection, int backend_pid,
      std::unique_ptr<pg::Connection> holder = nullptr);
  ~LockSampler();
  LockSampler(const LockSampler&) = delete;
  LockSampler& operator=(const LockSampler&) = delete;

  // The strongest locks so far. Thread-safe.
  std::vector<RelationCost> LocksSoFar() const;
  // How often it has looked. Thread-safe.
  int looks() const { return looks_; }
  // Looks no more and says what came of it. Rows that were read are not known: rows_read is 0.
  absl::StatusOr<Measurement> Stop();

 private:
  LockSampler(std::unique_ptr<pg::Connection> connection, KnownRelations before, int backend_pid,
              std::unique_ptr<pg::Connection> holder);
  void Look();
  // One look; whether the session waits for the holder.
  absl::StatusOr<bool> LookOnce();
  HeldModes seen() const;

  const std::unique_ptr<pg::Connection> connection_;
  const KnownRelations before_;
  const int backend_pid_;
  std::unique_ptr<pg::Connection> holder_;  // of the thread, until it lets go
  const absl::Time began_;
  std::atomic<bool> is_over_ = false;
  std::atomic<int> looks_ = 0;
  mutable absl::Mutex mutex_;
  HeldModes seen_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace lockstep::migration
