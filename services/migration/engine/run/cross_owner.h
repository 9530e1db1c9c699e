// What the steps of one owner do to the tables and other objects of others.
//
// A DROP ... CASCADE takes along whatever depends on what goes, also what another service made, and
// without CASCADE another service's view, foreign key or column makes the DROP fail. Both are asked
// of the catalog before anything runs. A foreign key blocks writers of the table that it points to.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/plan_note.h"
#include "services/migration/engine/run/plan_notes.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Another owner's object in the way of a DROP.
struct ForeignDependent {
  std::string revision;
  int step = 0;         // ordinal
  std::string dropped;  // "core.orders", "core.orders.note"
  std::string object;   // "view analytics.v", "foreign key f of finance.t", as PostgreSQL calls it
  std::string owner;    // service, or the schema where it has none
  bool by_cascade = false;
  Direction direction = Direction::kUp;  // of the step
  std::string text() const;              // for a person, with what to do
};

// Objects of other owners that depend, also through others, on what these steps drop
// (dropped_objects.h): views, foreign keys, columns of a type, functions, defaults, partitions.
// Those that an earlier of the steps changes or drops are left out, and what is in `gone`. Asks
// nothing when nothing is dropped.
absl::StatusOr<std::vector<ForeignDependent>> FindForeignDependents(
    pg::Connection& connection, const std::vector<ComingStep>& steps, Direction direction,
    const RelationNames& gone = {});

// OK, or FAILED_PRECONDITION: CROSS_OWNER_DROP (CASCADE would take them), DROP_BLOCKED (they make
// the DROP fail); names all of them.
absl::Status MayDrop(pg::Connection& connection, const std::vector<ComingStep>& steps,
                     Direction direction, const RelationNames& gone = {});

// A note (kind "foreign_lock") for each table of another owner whose writers a step blocks, at
// least for a moment. Pure.
void AddForeignLockNotes(const std::vector<ComingStep>& steps, std::vector<PlanNote>& notes);

}  // namespace lockstep::migration
