#include "services/migration/footprint/query_columns.h"

#include <map>
#include <optional>

namespace lockstep::migration::footprint {
namespace {

// The relations of a FROM clause by the names that the query gives them.
struct Sources {
  std::map<std::string, std::string> by_alias;  // "o" -> "transactions.orders"
  bool is_complete = true;                      // false: there are functions or subqueries too
};

void CollectSources(TreeNode item, Sources& sources) {
  if (const TreeNode join = item["JoinExpr"]; !join.empty()) {
    CollectSources(join["larg"], sources);
    CollectSources(join["rarg"], sources);
    return;
  }
  const TreeNode range_var = item["RangeVar"];
  if (range_var.empty()) {
    sources.is_complete = false;
    return;
  }
  const TreeNode alias = range_var["alias"]["aliasname"];
  sources.by_alias[alias.empty() ? range_var["relname"].text() : alias.text()] = NameOf(range_var);
}

Sources SourcesOf(TreeNode select) {
  Sources sources;
  for (TreeNode item = select["fromClause"].first(); !item.empty(); item = item.next()) {
    CollectSources(item, sources);
  }
  return sources;
}

void AddColumnsOf(const std::string& relation, const Catalog& catalog, QueryColumns& columns) {
  const Relation* found = catalog.Find(relation);
  if (found == nullptr || !found->has_all_columns) columns.is_complete = false;
  if (found == nullptr) return;
  for (const auto& [name, introduced] : found->columns) columns.names.push_back(name);
}

// `*` and `alias.*`.
void AddStar(TreeNode fields, TreeNode select, const Catalog& catalog, QueryColumns& columns) {
  columns.has_star = true;
  const Sources sources = SourcesOf(select);
  const std::string alias = fields.first()["String"]["sval"].text();
  for (const auto& [name, relation] : sources.by_alias) {
    if (alias.empty() || alias == name) AddColumnsOf(relation, catalog, columns);
  }
  const bool is_found = alias.empty() ? sources.is_complete : sources.by_alias.contains(alias);
  if (!is_found) columns.is_complete = false;
}

bool IsStar(TreeNode fields) {
  for (TreeNode field = fields.first(); !field.empty(); field = field.next()) {
    if (field.Has("A_Star")) return true;
  }
  return false;
}

std::string LastOf(TreeNode list) {
  const std::vector<std::string> texts = TextsIn(list);
  return texts.empty() ? "" : texts.back();
}

// The name that PostgreSQL gives an expression without AS; "" where it takes more than this to
// tell.
std::string NameOfExpression(TreeNode value) {
  if (value.Has("ColumnRef")) return LastOf(value["ColumnRef"]["fields"]);
  if (value.Has("FuncCall")) return LastOf(value["FuncCall"]["funcname"]);
  if (value.Has("CollateClause")) return NameOfExpression(value["CollateClause"]["arg"]);
  if (value.Has("CoalesceExpr")) return "coalesce";
  if (value.Has("TypeCast")) {
    const std::string inner = NameOfExpression(value["TypeCast"]["arg"]);
    return inner.empty() ? LastOf(value["TypeCast"]["typeName"]["names"]) : inner;
  }
  return "";
}

}  // namespace

std::string NameOf(TreeNode range_var) {
  return range_var["schemaname"].text() + "." + range_var["relname"].text();
}

std::vector<std::string> TextsIn(TreeNode list) {
  std::vector<std::string> texts;
  for (TreeNode item = list.first(); !item.empty(); item = item.next()) {
    const TreeNode text = item["String"]["sval"];
    if (!text.empty()) texts.push_back(text.text());
  }
  return texts;
}

QueryColumns ColumnsOfQuery(TreeNode select, const Catalog& catalog) {
  // A set operation has the names of its first part.
  if (select.Has("larg")) return ColumnsOfQuery(select["larg"], catalog);
  QueryColumns columns;
  if (select.Has("valuesLists")) {
    int number = 0;
    const TreeNode row = select["valuesLists"].first()["List"]["items"];
    for (TreeNode item = row.first(); !item.empty(); item = item.next()) {
      columns.names.push_back("column" + std::to_string(++number));
    }
    return columns;
  }
  for (TreeNode item = select["targetList"].first(); !item.empty(); item = item.next()) {
    const TreeNode target = item["ResTarget"];
    const TreeNode fields = target["val"]["ColumnRef"]["fields"];
    if (target.Has("name")) {
      columns.names.push_back(target["name"].text());
    } else if (IsStar(fields)) {
      AddStar(fields, select, catalog, columns);
    } else {
      columns.names.push_back(NameOfExpression(target["val"]));
    }
  }
  return columns;
}

}  // namespace lockstep::migration::footprint
