// A TCP link of a test's own, to be cut: what goes through it is passed on both ways, unchanged.
#pragma once

#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace lockstep::testing {

// Listens on a free port of 127.0.0.1. Thread-safe.
class TcpProxy final {
 public:
  enum class Link {
    kUp,
    kBroken,  // connections are closed, new ones at once
    kSilent,  // connections stay, but nothing passes any more, as when packets are lost
  };

  // To `target_port` of 127.0.0.1.
  explicit TcpProxy(int target_port);
  // Closes all connections.
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }
  // Holds when it returns.
  void Set(Link link);

 private:
  void Serve();
  void Accept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Passes on what can be read; closes both ends when one is closed.
  void Pass(int from) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CloseAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const int target_port_;
  int listener_ = -1;
  int wakeup_ = -1;  // readable when the thread has to look again
  int port_ = 0;
  absl::Mutex mu_;
  Link link_ ABSL_GUARDED_BY(mu_) = Link::kUp;
  std::map<int, int> peers_ ABSL_GUARDED_BY(mu_);  // each end, and where its data goes
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace lockstep::testing
