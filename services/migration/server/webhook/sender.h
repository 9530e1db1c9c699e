// Posts one signed body to the receiver.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "services/migration/server/webhook/settings.h"

namespace lockstep::migration::webhook {

struct Answer {
  int http_status = 0;                                // 0: none came, or not all of it
  std::string error;                                  // why, for a person; "" when an answer came
  bool is_broken_off = false;                         // by Stop()
  absl::Duration retry_after = absl::ZeroDuration();  // what the receiver asked for
};

// HTTP and HTTPS only, certificates are verified, redirects are not followed, and of an answer's
// body only the first 64 KB are read. Proxies of the environment (http_proxy, https_proxy,
// no_proxy) apply, except for loopback addresses.
class Sender final {
 public:
  explicit Sender(const WebhookOptions& options);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // Waits at most options.timeout. For one thread at a time.
  [[nodiscard]] Answer Post(const std::string& event_id, const std::string& body);
  // Breaks off the attempt at hand and every later one. Any thread.
  void Stop() { is_stopped_ = true; }

 private:
  struct Handle;

  const std::string signing_key_;
  std::unique_ptr<Handle> handle_;
  std::atomic<bool> is_stopped_ = false;
};

}  // namespace lockstep::migration::webhook
