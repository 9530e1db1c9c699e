// Freeze windows in the ledger, and the question whether one holds a run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/freeze.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Opens a window. The same id with the same reason and end returns the window that is there.
// INVALID_ARGUMENT: REASON_REQUIRED, REASON_TOO_LONG, FREEZE_END_REQUIRED, FREEZE_END_OUT_OF_RANGE,
// REQUEST_ID_REUSED.
absl::StatusOr<Freeze> RecordFreeze(pg::Connection& connection, const EngineOptions& options,
                                    const FreezeOptions& freeze);
// Ends one; one that is over stays as it is. FREEZE_NOT_FOUND.
absl::StatusOr<Freeze> EndFreeze(pg::Connection& connection, const EngineOptions& options,
                                 std::string_view id);
// Newest first; `before` (an id) continues a listing. FREEZE_NOT_FOUND.
absl::StatusOr<std::vector<Freeze>> LoadFreezes(pg::Connection& connection, int limit,
                                                std::string_view before);
// Those that hold runs now, the one that ends last first.
absl::StatusOr<std::vector<Freeze>> LoadOpenFreezes(pg::Connection& connection);

// OK, or FAILED_PRECONDITION (FROZEN) with until when, by whom, why, and what to do: for who has
// no run in the ledger yet. `force_freeze` ("" = none) is a reason to go on in spite of it.
absl::Status MayRunNow(pg::Connection& connection, std::string_view force_freeze);

// How long after a window opens a run may still begin a step, because it asked just before.
inline constexpr absl::Duration kFreezeSeenWithin = absl::Milliseconds(250);

// MayGoOn, and FROZEN: asked before every change of a run that could wait. What is forced
// (RunSession::force_freeze) is told once per window, as an event "freeze_forced".
absl::Status MayBegin(RunSession& session);

}  // namespace lockstep::migration
