// How far the build of an index has come, from the server's progress view, and when to tell. A
// build has no timeout, so somebody has to notice when it does not move any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "nlohmann/json_fwd.hpp"
#include "services/migration/engine/run/lock_holders.h"

namespace lockstep::migration {

// One row of pg_stat_progress_create_index.
struct BuildProgress {
  std::string command;  // "CREATE INDEX CONCURRENTLY"
  std::string phase;    // "building index: scanning table"
  std::string table;    // "core.orders"
  std::int64_t blocks_done = 0;
  std::int64_t blocks_total = 0;
  std::int64_t tuples_done = 0;
  std::int64_t tuples_total = 0;
  std::int64_t lockers_done = 0;  // transactions that it waited for in this phase
  std::int64_t lockers_total = 0;
  int current_locker_pid = 0;  // whom it waits for now; 0 = nobody

  // Of the phase; nullopt where the server counts nothing.
  std::optional<int> percent() const;
  // "core.orders: building index: scanning table, 512 of 2048 blocks (25 %)"
  std::string text() const;
  nlohmann::json details() const;
  friend bool operator==(const BuildProgress&, const BuildProgress&) = default;
};

// What backend `pid` builds now; nullopt = nothing.
absl::StatusOr<std::optional<BuildProgress>> LoadBuildProgress(pg::Connection& connection, int pid);

// The transaction of this database, other than that of backend `pid`, that began first: what a
// build waits for in the end. nullopt = none.
absl::StatusOr<std::optional<LockHolder>> OldestTransaction(pg::Connection& connection, int pid);

// Decides what to tell of one build, whose readings it is given in order. Pure but for its memory.
class BuildWatch {
 public:
  enum class News { kNothing, kProgress, kStalled };

  // At most one kProgress a second, and only of what changed; kStalled once for every `stall_after`
  // in which nothing did.
  News Look(const BuildProgress& now, absl::Time at, absl::Duration stall_after);
  // Since when nothing changed.
  absl::Time unchanged_since() const { return changed_at_; }

 private:
  std::optional<BuildProgress> seen_;
  std::optional<BuildProgress> told_;
  absl::Time changed_at_ = absl::InfinitePast();
  absl::Time told_at_ = absl::InfinitePast();
  absl::Time stall_told_at_ = absl::InfinitePast();
};

}  // namespace lockstep::migration
