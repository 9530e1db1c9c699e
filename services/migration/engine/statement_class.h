// What each statement of a script asks of the tables that others use: its class, and which locks it
// takes on which relations.
//
// The rules are the measurements of PostgreSQL 15 that the engine's policy rests on. What they do
// not say gets the safe answer: the strongest lock, and the class that warns. Code in DO blocks and
// functions cannot be seen. Only the script's text is read, so a lock may name a relation that does
// not exist; which partitions, indexes and foreign keys are meant is for the catalog to say
// (`Reach`). Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/parse_tree.h"

namespace lockstep::migration {

enum class StatementClass {
  kInstant,          // only changes the catalog: no scan, no rewrite
  kOnlineBuild,      // works long, but blocks neither readers nor writers
  kData,             // reads or writes rows; also code that cannot be seen
  kForbiddenOnline,  // scans or rewrites a table under a lock that blocks its writers
};

// The table-level lock modes, weakest first. Values are PostgreSQL's.
enum class LockMode {
  kAccessShare = 1,
  kRowShare = 2,
  kRowExclusive = 3,
  kShareUpdateExclusive = 4,
  kShare = 5,
  kShareRowExclusive = 6,
  kExclusive = 7,
  kAccessExclusive = 8,
};

// "ACCESS EXCLUSIVE", as LOCK TABLE spells it.
std::string_view ToText(LockMode mode);
// "AccessExclusiveLock", as pg_locks.mode spells it.
std::string_view PgLocksName(LockMode mode);
// Whether one session has to wait for a lock while another holds the other one. Symmetric.
bool Conflicts(LockMode one, LockMode other);
// Whether writers have to wait for it: SHARE and above.
inline bool IsStrong(LockMode mode) { return mode >= LockMode::kShare; }

// Which relations a lock is about, seen from the named one.
enum class Reach {
  kItself,
  kHeirs,             // all partitions and inheriting tables below it
  kDefaultPartition,  // of the named partitioned table
  kReferenced,        // the tables that its foreign keys point to
  kDependents,        // what CASCADE may take along: tables with a foreign key to it, views on it
  kIndexes,           // its indexes
  kIndexedTable,      // the named relation is an index: its table
};

struct RelationLock {
  std::string schema;
  std::string name;
  LockMode mode = LockMode::kAccessShare;
  Reach reach = Reach::kItself;
  // With kReferenced: only the foreign key of this name, or those over the column of this name; ""
  // = all.
  std::string part = {};

  std::string qualified() const { return schema + "." + name; }
  friend bool operator==(const RelationLock&, const RelationLock&) = default;
};

struct StatementLocks {
  StatementClass statement_class = StatementClass::kInstant;
  // Without relations that the script itself made before this statement: nobody can hold those.
  // Names without a schema are PostgreSQL's own or temporary, and left out.
  std::vector<RelationLock> locks;
  // kForbiddenOnline: what it does meanwhile, such as "builds an index"; and the table that it does
  // it to (schema and name, "" = not known).
  std::string work;
  std::string worked_schema;
  std::string worked_name;
};

// One entry per statement of `script`, in order. An opaque script is one statement of kData without
// locks. Parses the text again.
std::vector<StatementLocks> ClassifyStatements(const Script& script);

// For a text that is parsed already. `root` is the root of its parse tree. `default_schema`: of
// names that have none; "" = leave them out.
std::vector<StatementLocks> ClassifyStatements(TreeNode root, std::string_view default_schema = "");

// Whether every statement only changes the catalog.
bool IsInstant(const std::vector<StatementLocks>& statements);

}  // namespace lockstep::migration
