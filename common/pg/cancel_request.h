// Asks the server to end what a connection runs, without ever waiting for long.
//
// libpq's PQcancel opens a connection, sends, and waits for the server to hang up, with no limit: a
// server that is stopped, or a network that swallows packets, would hold the caller for ever. So it
// runs on a thread of its own, which is left behind when it takes too long.
#pragma once

#include <memory>

#include "absl/time/time.h"

struct pg_conn;

namespace lockstep::pg {

// Thread-safe; may end before what it sends.
class CancelRequest final {
 public:
  // For what `connection` will run. Keeps no pointer to it.
  explicit CancelRequest(pg_conn* connection);

  // Sends one, unless one is still under way (then that is the one meant), and waits at most `wait`
  // for the server to have taken it. So a connection has one thread under way at most.
  void Send(absl::Duration wait);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // Shared with the thread that sends, which may outlive us.
};

}  // namespace lockstep::pg
