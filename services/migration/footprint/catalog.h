// What exists at the heads of a migrations folder: every relation and column, and which revision
// made it what it is.
//
// It is read from the parse trees of the up scripts. What DO blocks, functions and scripts that the
// parser cannot read do to the schema is not in it, nor what DROP .. CASCADE takes along: such a
// statement has to be accompanied by one that says so plainly.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "services/migration/engine/model.h"

namespace lockstep::migration::footprint {

// A table, view, materialized view or sequence; and, without columns, what else SQL names with its
// schema: functions, types.
struct Relation {
  // Position in Definitions::revisions of the revision that created it, gave it its name, or wrote
  // the query of a view anew.
  std::size_t introduced = 0;
  // Of the revision that added the column, gave it its name or changed its type.
  std::map<std::string, std::size_t, std::less<>> columns = {};
  // False where it may have columns that are not listed: the parser cannot tell what a view's `*`
  // of something outside the folder stands for.
  bool has_all_columns = true;
};

struct Catalog {
  // By "schema.name".
  std::map<std::string, Relation, std::less<>> relations;
  // What existed once and is not in `relations`, with the position of the revision that dropped or
  // renamed it.
  std::map<std::string, std::size_t, std::less<>> dropped;

  // nullptr when there is no such relation.
  const Relation* Find(std::string_view name) const {
    const auto found = relations.find(name);
    return found == relations.end() ? nullptr : &found->second;
  }
};

// REQUIRES: `definitions` are valid (LoadDefinitions). Pure; thread-safe.
Catalog BuildCatalog(const Definitions& definitions);

}  // namespace lockstep::migration::footprint
