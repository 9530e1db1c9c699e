// Ends statements on behalf of callers that gave up. Cancelling opens a connection of its own and
// may block, so it happens on a thread of its own, never on the thread that noticed.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/pg/connection.h"

namespace lockstep::pg {

class Canceller {
 public:
  // A connection while somebody works on it. Release() must be called before the connection is used
  // for anything else; afterwards no cancel request of ours is under way.
  class Target {
   public:
    explicit Target(Connection& connection) : connection_(&connection) {}
    // True when a cancel request was sent: the connection must then not be reused, since the
    // request may reach the server late and hit the next statement.
    bool Release();

   private:
    friend class Canceller;
    // False when the work is over.
    bool Cancel();

    absl::Mutex mu_;
    Connection* connection_ ABSL_GUARDED_BY(mu_);
    bool is_cancel_sent_ ABSL_GUARDED_BY(mu_) = false;
  };

  Canceller();
  ~Canceller();

  // Cancels what runs on `target`, again every few milliseconds until it is released: a request
  // that arrives between two statements is ignored by the server. Thread-safe, does not block.
  void Request(std::shared_ptr<Target> target);

 private:
  void Run();

  absl::Mutex mu_;
  std::vector<std::shared_ptr<Target>> targets_
      ABSL_GUARDED_BY(mu_);  // shared with the working thread
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace lockstep::pg
