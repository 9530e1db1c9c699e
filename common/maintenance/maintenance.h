// Housekeeping of a process: pieces of work that nobody waits for, done again and again on one
// thread that works for a moment and then waits for long.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/context/context.h"

namespace lockstep::maintenance {

struct Task {
  std::string name;  // for the log
  // Does what there is to do and says how much that was. Must return soon after its context is
  // cancelled, may run in several processes at once, and must not throw.
  std::function<absl::StatusOr<std::int64_t>(const Context&)> run;
};

// Start and Stop are called by one thread.
class Maintenance final {
 public:
  explicit Maintenance(std::vector<Task> tasks, absl::Duration interval = absl::Minutes(10));
  // Stop().
  ~Maintenance();
  Maintenance(const Maintenance&) = delete;
  Maintenance& operator=(const Maintenance&) = delete;

  // Each round begins one interval after the last, and gets at most as long. Call once.
  void Start();
  // Interrupts what is running and joins. May be called again.
  void Stop();

  // One round: every task, also after one that failed. A failure is logged, unless it is that
  // `context` was cancelled; the next round tries again.
  void RunOnce(const Context& context) const;

 private:
  void Loop();

  const std::vector<Task> tasks_;
  const absl::Duration interval_;
  const Context context_;  // cancelled by Stop()
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace lockstep::maintenance
