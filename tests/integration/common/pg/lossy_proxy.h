// A way to PostgreSQL that loses the client at the worst moment: while it commits.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace lockstep::pg {

// Listens on a unix socket of its own and passes everything on to the server's, both ways, until a
// client sends COMMIT. The first COMMIT reaches the server, but its answer never the client, whose
// connection is closed; the server's side stays open until the end. Clients that come later are
// served faithfully, unless kDown is asked for.
class LossyProxy {
 public:
  enum class When {
    kAnswered,  // cut off after the server has committed
    kSent,      // cut off at once, whatever the server is doing
    kDown,      // the same, and later clients are sent away
  };

  // `server_host` is the folder of the server's socket.
  LossyProxy(const std::string& server_host, When when);
  // Cuts everybody off.
  ~LossyProxy();
  LossyProxy(const LossyProxy&) = delete;
  LossyProxy& operator=(const LossyProxy&) = delete;

  // What a connection string names as host.
  const std::string& host() const { return folder_; }
  // Clients that have connected so far, and whether one was cut off.
  int clients() const { return clients_; }
  bool has_lost() const { return has_lost_; }

 private:
  void Accept();
  void Serve(int client);
  // Passes on what can be read; false when the conversation is over.
  bool FromClient(int client, int server);
  bool FromServer(int client, int server);

  const std::string server_path_;
  const When when_;
  std::string folder_;
  int listener_ = -1;
  int stop_ = -1;  // readable once everybody is to stop
  std::atomic<int> clients_ = 0;
  std::atomic<bool> has_lost_ = false;
  absl::Mutex mu_;
  std::vector<std::thread> servants_ ABSL_GUARDED_BY(mu_);
  std::thread acceptor_;
};

}  // namespace lockstep::pg
