// The lease: exactly one runner at a time.
//
// One row holds token, holder and expiry (by the database's clock). Every transaction of a runner
// locks the row so that renewals pass and a take-over waits for it. Whoever takes over ends the
// recorded connections of the one before and waits until they are gone, before reading anything: so
// a runner that was paused can change nothing afterwards. An advisory lock, polled and never waited
// for, is a second guard.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/journal.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {

// The second guard. Any number that nothing else in the database uses ("lockstep" in letters).
inline constexpr std::int64_t kRunnerAdvisoryLock = 0x6c6f636b73746570;

// Takes the lease for `connection`, which becomes the runner's main connection. Waits for another
// runner up to options.lease_wait. LEASE_HELD names who has it; PREDECESSOR_ALIVE when an old
// connection does not end.
absl::StatusOr<LeaseKey> AcquireLease(const Context& context, const EngineOptions& options,
                                      pg::Connection& connection, Journal& journal);

// Whether the lease was neither given back nor is held any more: its runner went away.
absl::StatusOr<bool> IsLeaseAbandoned(pg::Connection& connection);

// Makes the lease last for `ttl` from now. False when it is not `key`'s any more.
absl::StatusOr<bool> RenewLease(pg::Connection& connection, const LeaseKey& key,
                                absl::Duration ttl);

// Gives it back, so that the next runner need not wait for the expiry. Best effort: an error only
// means waiting.
void ReleaseLease(pg::Connection& connection, const LeaseKey& key);

// Actor and host as the ledger records them.
std::string ActorOf(const EngineOptions& options);
std::string HostName();

}  // namespace lockstep::migration
