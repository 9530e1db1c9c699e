// What became of a COMMIT whose answer was lost.
//
// PostgreSQL tells it by transaction id, but only within one life of the server: an id that was
// assigned and not yet written when the server crashed is assigned again after the recovery, and
// then `committed` speaks of somebody else's transaction. So a transaction is known by its id and
// the life that it was begun in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/connection.h"

namespace lockstep::pg {

// SQL expression: the timeline, which every promotion of a replica changes, and the time when the
// statistics began, which every recovery from a crash resets, also when the postmaster survived. A
// clean restart changes neither, and writes everything down. (When an administrator resets the
// statistics, the worst is an outcome that is called unknown.) Fails on a replica.
inline constexpr char kServerLifeSql[] =
    "pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) || '/' ||"
    " (SELECT stats_reset::text FROM pg_catalog.pg_stat_bgwriter)";

struct LostCommit {
  std::string xid;          // pg_current_xact_id()
  std::string server_life;  // kServerLifeSql in the same session; empty: not known
};

enum class CommitOutcome { kCommitted, kNotCommitted, kRunning, kUnknown };

// `status` is pg_xact_status() of the id: "committed", "aborted", "in progress", nothing when it is
// too old. Pure.
[[nodiscard]] CommitOutcome JudgeCommit(std::optional<std::string_view> status, bool is_same_life);

// Asks, over connections of its own, until the outcome is certain: OK when it was committed,
// UNAVAILABLE (DATABASE_UNREACHABLE) when it was not. UNKNOWN (COMMIT_OUTCOME_UNKNOWN) when it
// cannot be known, or not within `grace` after the context's deadline or cancellation, or not
// before `options.give_up`.
[[nodiscard]] absl::Status ResolveCommit(const Context& context, const ConnectionOptions& options,
                                         const LostCommit& commit, absl::Duration grace);

}  // namespace lockstep::pg
