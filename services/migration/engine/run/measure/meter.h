// What statements did to the relations that were there before them: which locks they hold on each,
// whether it got other storage, and how many of its rows they read. Measured, not derived from
// their text.
//
// Locks are read from pg_locks before the transaction ends: until then it holds every lock that it
// took. Storage is compared by relfilenode, where a relation is found again by its oid or, if it
// was dropped and made anew (as ALTER COLUMN ... TYPE does with indexes), by its name. Rows are
// those that the transaction itself counted so far (pg_stat_get_xact_...): the scans with which
// PostgreSQL checks a constraint, builds an index or writes a table anew are counted there like
// those of queries, at once and before anything is committed. They are counted where the reading is
// done, so workers of a parallel scan would keep theirs to themselves: ForbidWorkers().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {

struct RelationCost {
  std::string relation;  // "core.orders", as it was called before
  bool is_index = false;
  bool is_sequence = false;  // its storage is a counter
  // What it is a part of: of an index its table, of a partition the tables above it, and of an
  // index of a partition all of these.
  std::vector<std::string> within = {};
  std::optional<LockMode> mode = std::nullopt;  // the strongest that is held; nullopt = none
  bool is_rewritten = false;   // a table was written anew, an index built anew, or emptied
  std::int64_t rows_read = 0;  // of a table: by scans and through its indexes

  friend bool operator==(const RelationCost&, const RelationCost&) = default;
};

struct Measurement {
  std::vector<RelationCost> relations;  // that were touched, by name
  absl::Duration took = absl::ZeroDuration();
};

// A relation as it was at some moment.
struct KnownRelation {
  std::string name;
  char kind = 'r';                  // pg_class.relkind
  std::vector<std::int64_t> parts;  // of which it is one: see RelationCost::within
  std::int64_t filenode = 0;
  std::int64_t rows_read = 0;  // by the open transaction so far
};
// By oid; without the server's own relations, temporary ones, TOAST and the ledger.
using KnownRelations = std::map<std::int64_t, KnownRelation>;
absl::StatusOr<KnownRelations> ReadRelations(pg::Connection& connection);

// The strongest mode by oid.
using HeldModes = std::map<std::int64_t, LockMode>;
// What the relations of `before` cost, given what there is now and what was held.
std::vector<RelationCost> CostsOf(const KnownRelations& before, const KnownRelations& after,
                                  const HeldModes& held);

// As pg_locks spells it; nullopt: none of a table.
std::optional<LockMode> ModeOfPgLocks(std::string_view name);

// For the rest of the transaction, so that every row that is read is counted.
absl::Status ForbidWorkers(pg::Connection& connection);

// Of one open transaction, from Begin() to End(). Locks that it held before count as well.
class Meter {
 public:
  static absl::StatusOr<Meter> Begin(pg::Connection& connection);
  absl::StatusOr<Measurement> End(pg::Connection& connection) const;

 private:
  Meter(KnownRelations before, absl::Time began) : before_(std::move(before)), began_(began) {}

  KnownRelations before_;
  absl::Time began_;
};

}  // namespace lockstep::migration
