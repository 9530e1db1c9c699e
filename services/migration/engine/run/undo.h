// What happens before the down script of a step: the guard is asked, and with --archive what would
// go is kept.
//
// All of it in the step's own transaction, after locking the tables in question, so that no row
// slips in between the count and the drop. Locks end with the transaction, so the guard is asked
// again in every later step of the revision that takes something away; where an earlier step took
// away what the guard reads, the step takes nothing but what the guard has seen (holdings.h).
//
// Tables that would be dropped are moved to a schema of their own, the rows of partitioned ones
// copied there; columns that would be dropped are copied with the table's primary key; what the
// script's own UPDATE or DELETE destroys is copied as the revision declares it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {

struct UndoRequest {
  Script guard;             // the archived one; empty = the revision has none
  bool asks_guard = false;  // no step of the revision was undone in this run yet
  // The revision was only half applied, or is half undone: its guard may name what is not there.
  bool guard_may_be_broken = false;
  bool archive = false;
  std::vector<const Script*> later;  // what is undone of the revision after this step
};

// What is locked before the guard is asked: what the undo takes from, and what the guard reads.
struct UndoLocks {
  std::set<std::string> exclusive;  // ACCESS EXCLUSIVE
  std::set<std::string> shared;     // SHARE ROW EXCLUSIVE
};
UndoLocks LocksOf(const Revision& revision, const Script& down, const std::set<std::string>& read);
// What the guard and those who remember its silence read. `later`: what is undone of the revision
// after `down`.
bool RemembersSilence(const Script& down, const Script& guard,
                      const std::vector<const Script*>& later);
std::set<std::string> ReadInUndo(const Script& guard, bool remembers,
                                 const std::vector<const Script*>& later);

// What a guard found: rows (what, count) with a count above 0; a query with one column counts each
// row.
struct GuardFinding {
  std::string what;
  std::int64_t count = 0;
};

absl::StatusOr<std::vector<GuardFinding>> AskGuard(pg::Connection& connection, const Script& guard);

// Whether what was found stands against the undo: OK when nothing was found or when archiving keeps
// it; else GUARD_REFUSED with everything that was found in the message, or ARCHIVE_FORBIDDEN.
absl::Status RefusalOf(const Revision& revision, const std::vector<GuardFinding>& findings,
                       bool archive);

// For RunTransactionalStep. GUARD_REFUSED, ARCHIVE_FORBIDDEN, ARCHIVE_IMPOSSIBLE.
absl::StatusOr<Prepared> PrepareUndo(RunSession& session, const StepTask& task,
                                     const UndoRequest& request, pg::Connection& connection);

// What PrepareUndo locks.
std::vector<RelationLock> LocksOfPreparing(const StepTask& task, const UndoRequest& request);

enum class Mark { kNothing, kHalfUndone };

// The same in a transaction of its own, for a step that is undone outside of transactions or by an
// administrator: what was kept is recorded, locks are waited for as in a transactional step. With
// kHalfUndone the revision counts as half applied from here on; REQUIRED_BY_INSTANCE.
absl::StatusOr<StepOutcome> PrepareUndoAlone(RunSession& session, const StepTask& task,
                                             const UndoRequest& request, Mark mark);

}  // namespace lockstep::migration
