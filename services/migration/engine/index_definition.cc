#include "services/migration/engine/index_definition.h"

#include <string_view>

namespace lockstep::migration {
namespace {

// The order of an index key as a bit of text: what PostgreSQL leaves out because it is the default
// counts as absent.
std::string OrderOf(TreeNode index_elem) {
  const bool descends = index_elem["ordering"].raw() == "SORTBY_DESC";
  const std::string_view nulls = index_elem["nulls_ordering"].raw();
  const std::string_view default_nulls = descends ? "SORTBY_NULLS_FIRST" : "SORTBY_NULLS_LAST";
  std::string order = descends ? "descending" : "";
  if (nulls != "SORTBY_NULLS_DEFAULT" && nulls != default_nulls) order.append(nulls);
  return order;
}

// Appends `node` without what does not change the meaning: places in the text, and casts, which
// PostgreSQL adds when it prints a definition back.
void AppendCanonical(TreeNode node, std::string& out) {
  if (node.Has("TypeCast")) {
    AppendCanonical(node["TypeCast"]["arg"], out);
    return;
  }
  if (node.first().empty()) {
    out.append(node.raw());
    return;
  }
  out += '(';
  if (node.key() == "IndexElem") out += OrderOf(node);
  for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
    if (IsIn(child.key(), {"location", "ordering", "nulls_ordering"})) continue;
    out.append(child.key()).append("=");
    AppendCanonical(child, out);
    out += ' ';
  }
  out += ')';
}

}  // namespace

std::string CanonicalIndex(TreeNode index_stmt) {
  std::string out;
  for (const char* member : {"unique", "nulls_not_distinct", "accessMethod", "indexParams",
                             "indexIncludingParams", "options", "whereClause", "tableSpace"}) {
    const TreeNode part = index_stmt[member];
    if (part.empty()) continue;
    out.append(member).append("=");
    AppendCanonical(part, out);
    out += '\n';
  }
  return out;
}

}  // namespace lockstep::migration
