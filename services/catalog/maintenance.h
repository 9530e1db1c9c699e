// Housekeeping of the catalog's plumbing tables: kept answers that expired, and old event ids.
#pragma once

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/pool.h"

namespace lockstep::catalog {

// One thread that works for a moment and then waits for long. Start and Stop are called by one
// thread.
class Maintenance final {
 public:
  explicit Maintenance(pg::Pool& pool, absl::Duration interval = absl::Minutes(10));
  // Stop().
  ~Maintenance();

  void Start();
  // Interrupts what is running and joins.
  void Stop();

  // One round; several processes may run it at once.
  void RunOnce(const Context& context);

 private:
  void Loop();

  pg::Pool& pool_;
  const absl::Duration interval_;
  const Context context_;
  absl::Mutex mu_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace lockstep::catalog
