// Keeps steps that close tables apart while standbys replay them.
//
// ACCESS EXCLUSIVE is replayed at every standby: queries there hold up replay, or are cancelled.
// Several such steps at once cancel what was only just started again, so a run leaves time between
// them. Without a standby it leaves none.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// SQL condition on pg_stat_replication AS r: it replays everything, as a standby does; a subscriber
// of logical replication does not.
inline constexpr char kIsPhysical[] =
    "NOT EXISTS (SELECT FROM pg_replication_slots AS s WHERE s.slot_type = 'logical'"
    " AND s.active_pid = r.pid)";

// How long a step that closes tables has to wait: until `spacing` has passed since the last one,
// if standbys stream. `closed_at`: when the last one ended; nullopt = there was none. Pure.
absl::Duration SpacingLeft(std::optional<absl::Time> closed_at, absl::Time now,
                           absl::Duration spacing, int standbys);

// Before a step: waits for as long as SpacingLeft() says when it takes ACCESS EXCLUSIVE on tables
// that were there before this run, and tells so (event "spacing"). What MayBegin says meanwhile;
// a pause holds it as well. Asks the server only when a step before this one closed a table.
absl::Status AwaitSpacing(RunSession& session, const StepTask& task);
// The same for what closes tables in any case.
absl::Status SpaceOut(RunSession& session, const StepTask& task);

// After a step, or after what SpaceOut() let through.
void NoteSpacing(RunSession& session, const StepTask& task);
void HasClosed(RunSession& session);

}  // namespace lockstep::migration
