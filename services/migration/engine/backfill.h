// A backfill as SQL: the statement of one batch, the trigger that covers writes meanwhile, and what
// is wrong with a declaration. Pure; thread-safe.
//
// A batch covers the keys from `:lo` to `:hi`, both included. Before the statement is parsed the
// two become the parameters $1 and $2; the runner puts typed literals in their place, a row of them
// for a key of several columns.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"
#include "services/migration/engine/sql_reader.h"

namespace lockstep::migration {

// "UPDATE ... SET column = (expression) ... WHERE key >= :lo AND key <= :hi ..." of a backfill that
// declares columns. One that goes both ways leaves rows alone whose new columns have a value: a
// writer of the new shape put it there. REQUIRES: !backfill.set.empty().
std::string BatchStatement(const Backfill& backfill);

// `sql` with :lo and :hi as $1 and $2, byte for byte as long. Quotes and comments are left alone.
std::string WithParameters(const std::string& sql);

// `sql` with the parameters $1 and $2 replaced.
std::string BindRange(const std::string& sql, std::string_view lo, std::string_view hi);

// Whether `sql` has both parameters.
bool HasRange(const std::string& sql);

// Columns that a scalar SQL expression mentions, without qualification; empty for what does not
// parse.
std::set<std::string> ColumnsOf(const std::string& expression);

// Functions that an expression calls, without qualification; "now" also for CURRENT_TIMESTAMP and
// the like, kSubquery for a query inside it.
std::set<std::string> FunctionsOf(const std::string& expression);
inline constexpr char kSubquery[] = "(a sub-query)";

// What is wrong with the statement of a batch: more than one statement, no range, code that the
// parser cannot see through, a target that is its own input (applied twice it would change twice).
void CheckBatch(const ReadSql& sql, std::vector<Problem>& problems);

// "CREATE FUNCTION ...", "REVOKE ...", "CREATE TRIGGER ...", and queries without rows that fail
// when an expression cannot be evaluated on a row: the trigger would break every writer. Empty when
// the backfill has no trigger. The function has the trigger's name and lives in the table's schema;
// it runs with the rights of its owner and a fixed search_path.
std::vector<std::string> CreateSyncStatements(const Backfill& backfill);

// "DROP TRIGGER IF EXISTS ...;\nDROP FUNCTION IF EXISTS ...;\n", or "" without a trigger.
std::string DropSyncSql(const Backfill& backfill);

// "schema"."table" and "column": REQUIRES names that spec_rules.h accepts.
std::string QuotedTableName(std::string_view table);
std::string QuotedColumn(std::string_view column);
// "a" or ("a", "b").
std::string KeyExpression(const std::vector<std::string>& key);

}  // namespace lockstep::migration
