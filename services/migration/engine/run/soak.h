// The soak of a CONTRACT: the applications live without what goes before it goes.
//
// At its start everybody but the owner loses the rights on the tables and views that the revision
// drops; the ledger keeps the grants, so that they come back when the run is cancelled or a
// downgrade breaks the soak off. It survives the end of a run: the next upgrade goes on with it.
// Counters of use are evidence on top: when they move without a step or verification of ours, or
// when they were reset, the server restarted, its timeline changed or a standby came, the soak
// starts again. For columns that are dropped from a table that stays only time passes: without the
// right on one column, SELECT * fails, which works before the drop and after it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"
#include "services/migration/engine/run/gate.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// How long the revision soaks: what it declares, at least what the engine asks for.
absl::Duration SoakOf(const EngineOptions& options, const Revision& revision);

// Waits at most `wait`. Met at once when nothing is dropped that was there before the run and holds
// rows. FAILED_PRECONDITION (GATE_CLOSED) when it lasts longer; it then goes on in the next run.
absl::Status AwaitSoak(RunSession& session, std::size_t position, absl::Duration wait);

// When somebody cancelled the run (`lockstep cancel`): services are to work as before, so what
// soaks took away is given back. That this fails is told as a warning.
void GiveBackWhenCancelled(RunSession& session);

// Whether there is anything that BreakOffSoaks() would give back.
absl::StatusOr<bool> HasSoaks(pg::Connection& connection);
// Forgets the soak of a revision that is stamped.
std::string ForgetSoakSql(const Revision& revision);

// Gives back what soaks that did not come to their drop took away, and forgets them.
absl::Status BreakOffSoaks(RunSession& session);

// For the record of the gate; null when the revision did not soak.
absl::StatusOr<nlohmann::json> SoakEvidence(pg::Connection& connection, std::string_view revision);

// nullopt: it has not begun.
absl::StatusOr<std::optional<SoakInfo>> LoadSoak(pg::Connection& connection,
                                                 std::string_view revision, absl::Duration needs);

}  // namespace lockstep::migration
