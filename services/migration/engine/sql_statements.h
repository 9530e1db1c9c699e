// The kinds of statements: command tags and the properties that follow from the kind alone.
// Internal to sql_analysis.
#pragma once

#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/sql_analysis.h"

namespace lockstep::migration {

// Sets node, tag and every property of `statement` but its extent and its uses. `wrapped` is the
// statement's node, with its type name as key.
void Classify(TreeNode wrapped, Statement& statement);

}  // namespace lockstep::migration
