// Ends statements on behalf of callers that gave up, on a thread of its own, never on the thread
// that noticed. Nothing here waits for the server: one that does not answer costs its connection.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"

namespace lockstep::pg {

class Canceller {
 public:
  // A connection while somebody works on it. Release() must be called before the connection is used
  // for anything else, or ends.
  class Target {
   public:
    // Should the server not end the statement within `grace` after the first request, the
    // connection is given up.
    Target(Connection& connection, absl::Duration grace)
        : grace_(grace), connection_(&connection) {}
    // True when a cancel request was sent: the connection must then not be reused, since the
    // request may reach the server late and hit the next statement.
    bool Release();
    // Asks the server to end the running statement. Does not block. False when the work is over.
    bool Cancel();
    // Ends the connection under whoever works on it; see Connection::CutOff.
    void CutOff();

   private:
    const absl::Duration grace_;
    absl::Mutex mu_;  // never held while waiting for the server: Release() would wait as well
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
