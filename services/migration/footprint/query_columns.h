// The names of the columns that a query gives, as PostgreSQL would name those of a view made of it.
// Internal to the catalog.
#pragma once

#include <string>
#include <vector>

#include "services/migration/engine/parse_tree.h"
#include "services/migration/footprint/catalog.h"

namespace lockstep::migration::footprint {

struct QueryColumns {
  std::vector<std::string> names;  // in order; "" = a column whose name the parser cannot tell
  bool has_star = false;           // some came of `*`: their order is not known
  bool is_complete = true;         // false: there are more, at places that nobody knows
};

// `select` is the node of a SELECT, VALUES or set operation; `catalog` says what `*` stands for.
// Pure.
QueryColumns ColumnsOfQuery(TreeNode select, const Catalog& catalog);

// "schema.name" of a RangeVar; the schema is "" where none is written.
std::string NameOf(TreeNode range_var);

// The texts of a list of String nodes.
std::vector<std::string> TextsIn(TreeNode list);

}  // namespace lockstep::migration::footprint
