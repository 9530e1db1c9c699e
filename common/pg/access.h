// Whether the pools of a process may use the database: one switch for all of them.
//
// A service may use its database only while its lease with the migration service lives. Every pool
// that is made with the same `Access` (PoolOptions) obeys it: suspended, it refuses work and has no
// connection; resumed, it opens connections again as they are needed.
#pragma once

#include <chrono>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace lockstep::pg {

class Pool;

// Thread-safe. Outlives its pools, which share it.
class Access final {
 public:
  // Open when `refusal` is OK; else suspended with it until Resume().
  explicit Access(absl::Status refusal = absl::OkStatus()) : refusal_(std::move(refusal)) {}
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  // Pool::Suspend for all of them at the same time. Returns after `grace` at the latest, and then
  // no pool has a connection.
  void Suspend(const absl::Status& why, std::chrono::milliseconds grace);
  void Resume();

 private:
  friend class Pool;
  void Add(Pool& pool);
  void Remove(Pool& pool);

  absl::Mutex mu_;  // held while the pools are suspended: none may go meanwhile
  absl::Status refusal_ ABSL_GUARDED_BY(mu_);
  std::set<Pool*> pools_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lockstep::pg
