// The canonical text of an index definition, to compare what a script asks for with what there is.
#pragma once

#include <string>

#include "services/migration/engine/parse_tree.h"

namespace lockstep::migration {

// Of a CREATE INDEX statement's node: method, uniqueness, keys, included columns, options,
// condition. Equal for every spelling of the same definition. Pure; thread-safe.
std::string CanonicalIndex(TreeNode index_stmt);

}  // namespace lockstep::migration
