// The settings of the webhook, with their names on the command line.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/config/settings.h"

namespace lockstep::migration::webhook {

struct WebhookOptions {
  std::string url;          // "" = no webhook
  std::string signing_key;  // secret; any bytes
  // Kinds of events (events.h), each as it is or as its beginning and "*". A run that is
  // stopped by a freeze or a lock tells so in its run_finished.
  std::vector<std::string> events = {
      "run_started",      "run_finished", "run_paused",     "run_resumed",
      "step_failed",      "step_blocked", "step_unblocked", "waiting_for_lease",
      "lease_taken_over", "freeze_*",     "gate_*"};
  absl::Duration timeout = absl::Seconds(10);  // of one attempt, connecting included
  int max_attempts = 30;                       // with pauses up to 5 minutes: about two hours
  bool statements = false;                     // send SQL of sessions that hold locks
  // How often the ledger is asked for news.
  absl::Duration poll_interval = absl::Seconds(1);
};

// --webhook-url, --webhook-signing-key-file, --webhook-events, --webhook-timeout,
// --webhook-max-attempts, --webhook-statements. `options` must outlive `settings`.
void Bind(WebhookOptions& options, config::Settings& settings);

// INVALID_ARGUMENT (CONFIG_INVALID): the URL is not http(s)://host..., holds a password, or there
// is no key of at least 16 bytes for it.
[[nodiscard]] absl::Status Check(const WebhookOptions& options);

}  // namespace lockstep::migration::webhook
