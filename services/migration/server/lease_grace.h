// Keeps the ledger informed that this migration service is there, and after a time in which none
// was, gives the leases of running instances one full period back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "services/migration/engine/run/presence.h"
#include "services/migration/server/engines.h"

namespace lockstep::migration {

// Thread-safe. Works on a thread of its own, paced by a clock that nobody sets.
class LeaseGrace final {
 public:
  // Extends the leases before it returns when the database answers, at most a few seconds later;
  // else as soon as it does, once in the life of this object. Make it before the server serves.
  explicit LeaseGrace(Engines& engines,
                      std::chrono::milliseconds beat_interval = std::chrono::seconds(1));
  ~LeaseGrace();
  LeaseGrace(const LeaseGrace&) = delete;
  LeaseGrace& operator=(const LeaseGrace&) = delete;

 private:
  void Run();
  // Arrives, or says once more that we are here.
  void Beat();
  absl::Status TryBeat();

  Engines& engines_;
  const std::chrono::milliseconds beat_interval_;
  // Used by the constructor, then by the thread only.
  std::unique_ptr<Presence> presence_;
  bool is_here_ = false;           // `presence_` holds its lock
  bool has_had_its_turn_ = false;  // the leases were extended, or another service was there
  bool is_failing_ = false;
  std::mutex mu_;
  std::condition_variable stopped_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace lockstep::migration
