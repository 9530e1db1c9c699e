// A PostgreSQL cluster of a test's own, for tests that stop or crash the server. Where that is not
// needed, a database on the cluster of all tests (test_database.h) is there at once.
#pragma once

#include <sys/types.h>

#include <string>

namespace lockstep::testing {

// Started by the constructor, gone with the object. Ends the test program with a message when it
// cannot be started.
class PrivateCluster {
 public:
  PrivateCluster();
  PrivateCluster(const PrivateCluster&) = delete;
  PrivateCluster& operator=(const PrivateCluster&) = delete;
  // Also ends a server that is stopped (SIGSTOP).
  ~PrivateCluster();

  // Connection string of the maintenance database, as administrator.
  const std::string& url() const { return url_; }
  pid_t postmaster_pid() const;
  // From here on the server is a replica: it can be read, and waits for a primary that there is
  // not. Ends its connections.
  void BecomeReplica();

 private:
  std::string folder_;
  std::string url_;
};

}  // namespace lockstep::testing
