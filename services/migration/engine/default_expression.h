// What a column is filled with, as far as its definition tells.
#pragma once

#include <string>
#include <string_view>

#include "services/migration/engine/parse_tree.h"

namespace lockstep::migration {

// Of a name that is qualified or not, the last part when it can only be PostgreSQL's own; else "".
std::string BuiltInName(TreeNode names);

// Whether the expression may give another value for every row. What is not known to be stable may.
bool MayBeVolatile(TreeNode expression);

// "bigserial" and its like.
bool IsSerial(std::string_view type);

}  // namespace lockstep::migration
