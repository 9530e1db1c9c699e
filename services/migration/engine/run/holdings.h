// What the undo of a step takes away, and how much of it there is.
//
// A guard is the judge of what an undo destroys, but it can only be asked while the tables and
// columns that it reads are there. Before a step takes those away, the guard's silence is written
// down: a fingerprint of everything that the steps after it will take. A later step may then take
// what the guard has seen, and nothing that came since. The fingerprints are in the event that
// commits with the step, so they survive the run.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Whether the undo may destroy rows or values: it drops tables or columns, changes types of
// columns, writes rows, cascades, or hides what it does.
bool TakesAway(const Script& down);

// Whether the guard may not be able to run any more after this undo.
bool TakesWhatIsRead(const Script& down, const Script& guard);

// How many values there are, and a digest of them with the keys of their rows.
struct Holding {
  std::int64_t count = 0;
  std::string digest;

  friend bool operator==(const Holding&, const Holding&) = default;
};
// By "schema.table" for all rows or "schema.table.column" for values that are neither NULL nor the
// column's constant default.
using Holdings = std::map<std::string, Holding>;

// Tables of which `down` takes rows or columns, as far as the parser sees.
std::vector<std::string> TablesTakenFrom(const Script& down);

// What is there of what `down` takes. In the owner's role, with TablesTakenFrom(down) locked.
absl::StatusOr<Holdings> Count(pg::Connection& connection, const Script& down);

// The event that keeps `holdings`.
Happening RememberHoldings(const StepTask& task, const Holdings& holdings);
// What the last such event of the revision kept; empty when there is none. Changes to the
// migrator's role and back to the owner's.
absl::StatusOr<Holdings> RememberedHoldings(pg::Connection& connection, const Revision& revision);

}  // namespace lockstep::migration
