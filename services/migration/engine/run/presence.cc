#include "services/migration/engine/run/presence.h"

#include <string>

#include "absl/time/clock.h"
#include "common/context/context.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
// The same for all processes on one database.
constexpr char kLock[] = "(hashtext('lockstep'), hashtext('migration service'))";

// One statement, so that every lease is measured at about the same time. `alive_at` is when a
// service was last seen; what ended before that, and more than a period ago, is over. So is what
// ended before a step was done or undone, which may have been done because it had ended.
constexpr char kExtend[] =
    "UPDATE migration.instances AS i SET expires_at = clock_timestamp() + i.ttl"
    "  FROM migration.service_life AS l"
    " WHERE i.expires_at < clock_timestamp() + i.ttl"
    "   AND (i.expires_at > clock_timestamp() - i.ttl"
    "        OR (isfinite(l.alive_at) AND i.expires_at > l.alive_at))"
    "   AND NOT EXISTS (SELECT FROM migration.step_log AS s WHERE s.finished_at > i.expires_at)";

}  // namespace

absl::StatusOr<std::unique_ptr<Presence>> Presence::Open(const EngineOptions& options) {
  ASSIGN_OR_RETURN(auto connection, OpenLedgerSession(options, Context::WithTimeout(kCallTimeout)));
  return std::unique_ptr<Presence>(new Presence(std::move(connection)));
}

void Presence::Hurry() { connection_->SetIoDeadline(absl::Now() + kCallTimeout); }

absl::StatusOr<Presence::Arrival> Presence::Arrive(bool may_extend) {
  Hurry();
  Arrival arrival;
  ASSIGN_OR_RETURN(
      const pg::Result alone,
      connection_->Query(std::string("SELECT pg_try_advisory_lock") + kLock + " AS is_first"));
  arrival.is_first = alone[0].Get<bool>("is_first");
  if (arrival.is_first && may_extend) {
    ASSIGN_OR_RETURN(const pg::Result extended, connection_->Query(kExtend));
    arrival.leases_extended = extended.affected();
  }
  // Never waited for: a session that waits for a lock holds a snapshot, and that holds up CREATE
  // INDEX CONCURRENTLY.
  ASSIGN_OR_RETURN(const pg::Result shared,
                   connection_->Query(std::string("SELECT pg_try_advisory_lock_shared") + kLock +
                                      " AS is_here"));
  arrival.is_here = shared[0].Get<bool>("is_here");
  if (arrival.is_first) {
    RETURN_IF_ERROR(connection_->Query(std::string("SELECT pg_advisory_unlock") + kLock).status());
  }
  return arrival;
}

absl::Status Presence::Beat() {
  Hurry();
  return connection_
      ->Query("UPDATE migration.service_life SET alive_at = clock_timestamp() WHERE id = 1")
      .status();
}

}  // namespace lockstep::migration
