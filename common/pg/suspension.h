// Whether a pool may work, and who works. Internal to Pool.
#pragma once

#include <atomic>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/pg/canceller.h"
#include "common/pg/connection.h"

namespace lockstep::pg {

// Thread-safe.
class Suspension final {
 public:
  using Work = std::shared_ptr<Canceller::Target>;  // Shared with whoever cancels it.

  // OK, or why nobody may work.
  [[nodiscard]] absl::Status Check() const;
  // The same for loops and for ConnectionOptions::give_up; lives as long as this object.
  const std::atomic<bool>& is_on() const { return is_on_; }

  // Work on `connection` begins; it lasts until Leave(). An error says that nobody may work:
  // nothing must be sent over the connection any more. `cancel_grace`: see Canceller::Target.
  [[nodiscard]] absl::StatusOr<Work> Enter(Connection& connection, absl::Duration cancel_grace);
  // True when the work was cancelled or cut off: then the connection must not be used again.
  bool Leave(const Work& work);

  // From now on Enter() refuses with `why`, which is not OK. May be called again with another one.
  void Begin(const absl::Status& why);
  void End();
  // Asks the server to end every statement of those who work. Does not block; to be repeated, since
  // a request that arrives between two statements is ignored.
  void CancelAll();
  // Ends their connections: what they wait for fails at once, and what they send goes nowhere.
  void CutOff();

 private:
  mutable absl::Mutex mu_;
  absl::Status why_ ABSL_GUARDED_BY(mu_);
  std::set<Work> works_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> is_on_ = false;
};

}  // namespace lockstep::pg
