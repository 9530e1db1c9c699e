#include "services/migration/engine/default_expression.h"

namespace lockstep::migration {
namespace {

// Functions whose value one statement computes once: such a default needs no rewrite.
bool IsStableFunction(std::string_view name) {
  return IsIn(name, {"now",
                     "transaction_timestamp",
                     "statement_timestamp",
                     "current_setting",
                     "lower",
                     "upper",
                     "md5",
                     "concat",
                     "date_trunc",
                     "date_part",
                     "to_timestamp",
                     "make_date",
                     "make_interval",
                     "round",
                     "floor",
                     "ceil",
                     "abs",
                     "length",
                     "jsonb_build_object",
                     "jsonb_build_array",
                     "timezone",
                     "left",
                     "right"});
}

}  // namespace

std::string BuiltInName(TreeNode names) {
  const TreeNode first = names.first();
  const TreeNode second = first.next();
  if (second.empty()) return first["String"]["sval"].text();
  return first["String"]["sval"].raw() == "pg_catalog" ? second["String"]["sval"].text() : "";
}

bool MayBeVolatile(TreeNode expression) {
  if (expression.key() == "FuncCall" && !IsStableFunction(BuiltInName(expression["funcname"])))
    return true;
  for (TreeNode child = expression.first(); !child.empty(); child = child.next()) {
    if (MayBeVolatile(child)) return true;
  }
  return false;
}

bool IsSerial(std::string_view type) {
  return IsIn(type, {"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"});
}

}  // namespace lockstep::migration
