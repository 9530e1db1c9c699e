// Tells a receiver what happens in runs.
//
// One thread reads the logs of all runs from the ledger, whichever process works on them, and posts
// what is wanted. No run waits for it: the ledger is all that they share. Every event is sent at
// least once and the events of a run in their order; an event that fails holds back those after it
// in its run, and no other run's. Of several migration processes one sends; another takes over when
// that one's connection to the database ends, and may then repeat what was just sent.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/server/webhook/delivery_ledger.h"
#include "services/migration/server/webhook/sender.h"
#include "services/migration/server/webhook/settings.h"

namespace lockstep::migration::webhook {

class Dispatcher final {
 public:
  // Starts. REQUIRES: Check(options) is OK and there is a URL. A database that cannot be reached,
  // or has no ledger of this version yet, is waited for.
  Dispatcher(EngineOptions engine, WebhookOptions options);
  // Breaks off an attempt at hand, which does not count, and waits for the thread.
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

 private:
  void Work();
  // One look at the ledger. False when there is no reason to look again soon: another process
  // sends.
  absl::StatusOr<bool> Round();
  absl::StatusOr<bool> IsSender();
  absl::Status Tell(const RunWithNews& run);
  // Sends one event. True when the events after it may follow.
  absl::StatusOr<bool> TellEvent(const RunWithNews& run, const RunEvent& event,
                                 int attempts_before);
  void LogProblem(const absl::Status& status);
  bool IsStopping();
  // At most `duration`.
  void Pause(absl::Duration duration);

  const EngineOptions engine_;
  const WebhookOptions options_;
  Sender sender_;
  // Used by the thread only.
  std::unique_ptr<pg::Connection> connection_;
  bool is_sender_ = false;
  absl::Time next_sweep_ = absl::InfinitePast();
  std::string told_;  // the reason of the problem that was logged last

  absl::Mutex mu_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace lockstep::migration::webhook
