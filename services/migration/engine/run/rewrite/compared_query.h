// The queries with which old and new definition of a view are compared. Pure.
//
// Two definitions are equal on the rows that are there when they give the same bag of rows. A bag
// is told by the number of its rows and the sum of their 64-bit hashes, which does not depend on
// their order. Values that compare as equal and are not the same text (1.0 and 1.00, '1 day' and
// '24:00', -0 and 0, json) count as different.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

// A column of a view, as the catalog has it.
struct ViewColumn {
  std::string name;
  std::string type;       // with its modifier: "numeric(12,2)"
  std::string base;       // name of the type in pg_catalog: "numeric"; "" = of another schema
  std::string collation;  // "" = none

  friend bool operator==(const ViewColumn&, const ViewColumn&) = default;
};

// A definition, ready to be compared.
struct ComparedQuery {
  std::string text;
  // The same with the rows that tie with the last one of its LIMIT; "" without a LIMIT.
  std::string with_ties;
  std::vector<std::string> functions;  // "schema.name" or "name", as called
  std::vector<std::string> narrowed;   // relations of `rows` that it reads
  bool may_use_zone = false;           // what it returns may depend on the session's time zone
};

// `definition` is what pg_get_viewdef() prints with an empty search path. Of the relations in
// `rows` only those rows are read. FAILED_PRECONDITION (VIEW_INCOMPARABLE): a LIMIT without ORDER
// BY, one with OFFSET, one inside of it, TABLESAMPLE, FOR UPDATE.
absl::StatusOr<ComparedQuery> CompareAs(std::string_view definition,
                                        const std::vector<ComparedRows>& rows, bool without_limit);

// (n, bag): rows of the query, and the sum of their hashes over `columns`.
std::string BagSql(const std::string& query, const std::vector<ViewColumn>& columns);
// (n, row): how many rows of `query` `other` has not, and at most `limit` of them as text.
std::string MissingSql(const std::string& query, const std::string& other,
                       const std::vector<ViewColumn>& columns, int limit);
// (n, row) likewise: rows that have no partner with the same key, or one out of tolerance.
std::string OutOfToleranceSql(const std::string& query, const std::string& other,
                              const ComparedView& view, int limit);
// (n): rows of the query whose key another row has as well.
std::string AmbiguousKeySql(const std::string& query, const std::vector<std::string>& key);

}  // namespace lockstep::migration
