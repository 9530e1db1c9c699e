// How far the webhook has come, in the ledger (ledger_webhooks.cc), so that a restart neither loses
// an event nor forgets how often one failed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/events.h"
#include "services/migration/server/webhook/message.h"

namespace lockstep::migration::webhook {

// A run whose log has events that the receiver may not know.
struct RunWithNews {
  std::string run_id;
  RunFacts facts;
  std::int64_t done = 0;  // offset up to which everything is dealt with
  int attempts = 0;       // that failed with the next event
};

// The functions below are one statement or one transaction each, on the dispatcher's connection.

// True when this session is the one that sends. It stays so until the session ends.
[[nodiscard]] absl::StatusOr<bool> BecomeSender(pg::Connection& connection);

// Starts the record if there is none: runs that are over by now are no news.
[[nodiscard]] absl::Status BeginRecord(pg::Connection& connection);

// Oldest run first, at most 100. Unless `all`, only runs that are not over, were over less than an
// hour ago, or have failed attempts: those whose log may have grown.
[[nodiscard]] absl::StatusOr<std::vector<RunWithNews>> FindNews(pg::Connection& connection,
                                                                bool all);

// Everything up to `offset` is dealt with; `delivered` of it was delivered (0 or 1).
[[nodiscard]] absl::Status RecordDone(pg::Connection& connection, const std::string& run_id,
                                      std::int64_t offset, int delivered);
// The event after what is dealt with failed for the `attempts`-th time and is due again after
// `delay`.
[[nodiscard]] absl::Status RecordFailure(pg::Connection& connection, const std::string& run_id,
                                         std::int64_t done, int attempts, absl::Duration delay,
                                         const std::string& error);
// It failed for the last time.
[[nodiscard]] absl::Status RecordGivenUp(pg::Connection& connection, const RunEvent& event,
                                         int attempts, const std::string& error);

}  // namespace lockstep::migration::webhook
