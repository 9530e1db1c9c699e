// That a migration service is there, so that the leases of instances can be renewed; and the time
// that they get back after none was.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"

namespace lockstep::migration {

// The presence of one server process: a session that holds an advisory lock, shared with those of
// other processes. While it lives, PostgreSQL itself knows that a service is there, also when the
// process is killed a moment later. Used by one thread.
class Presence final {
 public:
  // Errors: those of OpenLedgerSession.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Presence>> Open(const EngineOptions& options);

  struct Arrival {
    bool is_here = false;   // the lock is held; false: another process arrives, try again
    bool is_first = false;  // no other process was there
    std::int64_t leases_extended = 0;
  };
  // Takes the lock. When no other process is there and `may_extend`, every lease that was alive
  // when a service was last seen, and every one that ended less than its own period ago, then lasts
  // one full period from now, all by database time: its instance could not renew it meanwhile.
  // Leases that last longer anyway stay as they are, and those that ended before the schema changed
  // stay over: their instances have to register again, and are judged.
  [[nodiscard]] absl::StatusOr<Arrival> Arrive(bool may_extend);

  // Records that a service is there now.
  [[nodiscard]] absl::Status Beat();

 private:
  explicit Presence(std::unique_ptr<pg::Connection> connection)
      : connection_(std::move(connection)) {}
  // Every wait for the database from here on ends soon.
  void Hurry();

  const std::unique_ptr<pg::Connection> connection_;
};

}  // namespace lockstep::migration
