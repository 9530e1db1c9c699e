// What the SQL of a service names: relations and columns, found in the string literals of its C++
// sources.
//
// The answer may hold more than the service uses, never less, as long as the sources keep two
// rules: a relation is written with its schema and in one literal ("core.outbox"), and so is every
// column. SQL may be composed of such pieces in any way. A column counts as used when its relation
// is used and its name occurs in any literal of the sources: which relation a name belongs to is
// decided at run time, where the pieces come together. `SELECT *`, `alias.*`, an alias alone (a
// whole row), INSERT and COPY without a list of columns use all columns. A `*` alone in a literal
// is not seen.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/problem.h"
#include "services/migration/footprint/catalog.h"

namespace lockstep::migration::footprint {

struct Source {
  std::string file;  // for messages: relative to the repository
  std::string text;
};

struct Footprint {
  // Columns by relation; both exist in the catalog.
  std::map<std::string, std::set<std::string>, std::less<>> relations;

  // "schema.relation" and "schema.relation.column", sorted.
  std::set<std::string, std::less<>> Names() const;
};

// The footprint of `sources`: those of a service and of all that it is linked with. Appends to
// `problems`, each with file and line:
//   RELATION_UNKNOWN  schema.name of a schema of ours that no revision makes, or one dropped;
//   COLUMN_UNKNOWN    schema.relation.column with a column that the relation does not have;
//   NAME_COMPOSED     a schema whose relation is added at run time.
// Any makes the footprint unusable. Pure; thread-safe.
Footprint ReadFootprint(const Definitions& definitions, const Catalog& catalog,
                        const std::vector<Source>& sources, std::vector<Problem>& problems);

}  // namespace lockstep::migration::footprint
