// Rules about columns: L13 to L16, L18, L20, L22, L24, L25, N05, N08, N16 and N17.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/migration/engine/default_expression.h"
#include "services/migration/engine/lint/scene.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

// "numeric(12,2)" -> {"numeric", {12, 2}}.
std::pair<std::string, std::vector<int>> SplitType(const std::string& type) {
  const std::size_t open = type.find('(');
  std::pair<std::string, std::vector<int>> parts = {type.substr(0, open), {}};
  if (open == std::string::npos) return parts;
  const char* at = type.data() + open + 1;
  const char* const end = type.data() + type.size();
  for (int number = 0; at < end; ++at) {
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) break;
    parts.second.push_back(number);
    at = next;
  }
  return parts;
}

// Whether rows of the one type are rows of the other as they are (ddl-locks 7.4). Between
// timestamp and timestamptz only where the session's time zone is UTC.
bool IsSameBytes(const std::string& from, const std::string& to, bool is_utc) {
  const auto [old_type, old_sizes] = SplitType(from);
  const auto [new_type, new_sizes] = SplitType(to);
  const bool is_unbounded = new_sizes.empty();
  // Microseconds are all there is of a time.
  const bool is_time = IsIn(old_type, {"timestamp", "timestamptz", "interval"});
  const int unbounded = is_time ? 6 : 0;
  const int old_size = old_sizes.empty() ? unbounded : old_sizes[0];
  const bool grows =
      is_unbounded ? !is_time || old_size <= 6 : old_size > 0 && new_sizes[0] >= old_size;
  if (old_type == "varchar" && new_type == "text") return true;
  if (old_type == "text" && new_type == "varchar") return is_unbounded;
  if (old_type == "cidr" && new_type == "inet") return true;
  if (IsIn(old_type, {"timestamp", "timestamptz"}) &&
      IsIn(new_type, {"timestamp", "timestamptz"})) {
    return grows && (old_type == new_type || is_utc);
  }
  if (old_type != new_type) return false;
  if (from == to) return true;
  if (old_type == "varchar" || old_type == "interval") return grows;
  if (old_type == "numeric") {
    const int old_scale = old_sizes.size() > 1 ? old_sizes[1] : 0;
    const int new_scale = new_sizes.size() > 1 ? new_sizes[1] : 0;
    return is_unbounded || (grows && old_scale == new_scale);
  }
  return false;
}

bool Names(const std::vector<std::string>& columns, std::string_view column) {
  return std::find(columns.begin(), columns.end(), column) != columns.end();
}

// What is on a column that a change of its type would rebuild; "" = nothing that is known.
std::string OnColumn(const ModelTable& table, std::string_view column) {
  for (const ModelConstraint& have : table.constraints) {
    const bool is_watched =
        have.kind == ModelConstraint::Kind::kCheck || have.kind == ModelConstraint::Kind::kForeign;
    if (is_watched && Names(have.columns, column)) return "constraint " + have.name;
  }
  for (const ModelIndex& index : table.indexes) {
    // One on the plain column stays as it is.
    const bool computes = Names(index.columns, "") || index.is_partial;
    if (computes && Names(index.used, column)) return "index " + index.name;
  }
  for (const ModelDependent& dependent : table.dependents) {
    return (dependent.is_view ? "view " : "a foreign key of ") + dependent.name;
  }
  return "";
}

// No USING, or one that only says what is done anyway: USING c::text.
bool IsPlainUsing(TreeNode definition, const std::string& column, const std::string& to) {
  const TreeNode expression = definition["raw_default"];
  if (expression.empty()) return true;
  const TreeNode cast = expression["TypeCast"];
  const std::vector<std::string> names =
      NamesIn((cast.empty() ? expression : cast["arg"])["ColumnRef"]["fields"]);
  return names.size() == 1 && names[0] == column &&
         (cast.empty() || TypeText(cast["typeName"]) == to);
}

void CheckForeignViews(Scene& scene, const std::string& table, std::string_view what) {
  const ModelTable* const known = scene.model().Find(table);
  if (known == nullptr) return;
  const std::string_view owner = OwnerOf(table.substr(0, table.find('.')));
  for (const ModelDependent& dependent : known->dependents) {
    if (!dependent.is_view || dependent.service.empty() || dependent.service == owner) continue;
    scene.Report("N05", LintLevel::kError, table,
                 absl::StrCat("view ", dependent.name, " of ", dependent.service, " depends on ",
                              table, " and may make the ", std::string(what),
                              " fail: its owner has to change it first"));
  }
}

void CheckType(Scene& scene, const std::string& table, TreeNode command) {
  const std::string column = command["name"].text();
  const TreeNode definition = command["def"]["ColumnDef"];
  const std::string to = TypeText(definition["typeName"]);
  if (to == "json") {
    scene.Report("L25", LintLevel::kWarning, table,
                 "json has no equality: DISTINCT, GROUP BY and EXCEPT fail; use jsonb", definition);
  }
  if (!scene.IsInUse(table)) return;
  CheckForeignViews(scene, table, "change of the type");
  const ModelTable* const known = scene.model().Find(table);
  const ModelColumn* const now = scene.Column(table, column);
  std::string parent;
  for (const ModelConstraint& have :
       known != nullptr ? known->constraints : std::vector<ModelConstraint>()) {
    if (have.kind == ModelConstraint::Kind::kForeign && Names(have.columns, column)) {
      parent = have.referenced;
    }
  }
  if (!parent.empty()) {
    scene.Report("N17", LintLevel::kWarning, parent,
                 absl::StrCat(table, ".", column,
                              " has a foreign key: the change of its type takes "
                              "ACCESS EXCLUSIVE on ",
                              parent, " as well, even if nothing changes"),
                 definition);
  }
  const bool changes_zone = IsIn(SplitType(to).first, {"timestamp", "timestamptz"});
  const bool is_utc = scene.is_utc();
  if (changes_zone && !is_utc &&
      (now == nullptr || SplitType(now->type).first != SplitType(to).first)) {
    scene.Report("N16", LintLevel::kWarning, table,
                 "the session's time zone decides whether this rewrites the table: only with UTC "
                 "it does not",
                 definition);
  }
  const bool is_free = now != nullptr && !now->type.empty() && !definition.Has("collClause") &&
                       IsPlainUsing(definition, column, to) && IsSameBytes(now->type, to, is_utc);
  const std::string watched = known != nullptr ? OnColumn(*known, column) : "";
  if (is_free && watched.empty()) return;
  const std::string from = now != nullptr && !now->type.empty() ? " from " + now->type : "";
  scene.ReportWork("L18", table,
                   is_free
                       ? absl::StrCat(watched, " stands on ", table, ".", column,
                                      " and is rebuilt or checked, or refuses the change")
                       : absl::StrCat("changing the type of ", table, ".", column, from, " to ", to,
                                      " writes the table and its indexes anew while "
                                      "nobody can use it"),
                   definition);
}

void CheckNotNull(Scene& scene, const std::string& table, TreeNode command) {
  const std::string column = command["name"].text();
  if (!scene.IsInUse(table) || scene.IsNewColumn(table, column)) return;
  if (const ModelTable* const known = scene.model().Find(table)) {
    for (const ModelConstraint& have : known->constraints) {
      if (have.is_validated && Names(have.not_null_columns, column)) return;
    }
    const ModelColumn* const now = scene.Column(table, column);
    if (now != nullptr && now->is_not_null) return;
  }
  scene.ReportWork("L15", table,
                   absl::StrCat("SET NOT NULL reads all of ", table,
                                " while nobody can use it; "
                                "old builds that write no ",
                                column, " fail afterwards"));
}

bool MayBeConstrainedDomain(const Scene& scene, TreeNode type_name) {
  // The elements of an array are not looked at.
  if (!type_name["arrayBounds"].first().empty()) return false;
  const std::string type = NameOfList(type_name["names"]);
  const std::optional<bool> is_domain = scene.model().IsConstrainedDomain(type);
  if (is_domain.has_value()) return *is_domain;
  return BuiltInName(type_name["names"]).empty() && !scene.model().is_connected;
}

// Of a new column: how it comes by its values, and whether it must have one.
struct ColumnTraits {
  bool has_default = false;
  bool is_volatile = false;
  bool is_generated = false;
  bool is_identity = false;
  bool is_required = false;
};

ColumnTraits TraitsOf(TreeNode definition) {
  ColumnTraits traits;
  for (TreeNode item = definition["constraints"].first(); !item.empty(); item = item.next()) {
    const TreeNode constraint = item["Constraint"];
    const std::string_view kind = constraint["contype"].raw();
    if (kind == "CONSTR_DEFAULT") {
      traits.has_default = true;
      traits.is_volatile = MayBeVolatile(constraint["raw_expr"]);
    }
    traits.is_generated = traits.is_generated || kind == "CONSTR_GENERATED";
    traits.is_identity = traits.is_identity || kind == "CONSTR_IDENTITY";
    traits.is_required = traits.is_required || kind == "CONSTR_NOTNULL";
  }
  return traits;
}

void CheckNewColumn(Scene& scene, const std::string& table, TreeNode command) {
  const TreeNode definition = command["def"]["ColumnDef"];
  if (!scene.IsInUse(table)) return;
  const std::string name = table + "." + definition["colname"].text();
  if (command["missing_ok"].IsTrue()) {
    scene.Report("N08", LintLevel::kNote, table,
                 absl::StrCat("IF NOT EXISTS waits for ACCESS EXCLUSIVE on ", table,
                              " even when the column is there"),
                 definition);
  }
  const ColumnTraits traits = TraitsOf(definition);
  const bool is_serial = IsSerial(BuiltInName(definition["typeName"]["names"]));
  if (traits.is_generated || traits.is_identity || is_serial) {
    scene.ReportWork("L14", table,
                     absl::StrCat("adding ", name, ", which fills itself, writes the table anew"),
                     definition);
    return;
  }
  if (traits.is_volatile) {
    scene.ReportWork("L13", table,
                     absl::StrCat("the default of ", name,
                                  " is computed for every row: the table "
                                  "is written anew while nobody can use it"),
                     definition);
  } else if (MayBeConstrainedDomain(scene, definition["typeName"])) {
    scene.ReportWork("L13", table,
                     absl::StrCat("the type of ", name,
                                  " is no built-in one: if it is a domain "
                                  "with a constraint, the table is written anew"),
                     definition);
  }
  if (traits.is_required && !traits.has_default) {
    scene.Report("L16", LintLevel::kError, table,
                 absl::StrCat(name,
                              " is NOT NULL without a default: it fails when there are rows, "
                              "and old builds cannot insert any more"),
                 definition);
  }
}

void CheckDropColumn(Scene& scene, const std::string& table, TreeNode command) {
  const std::string column = command["name"].text();
  if (!scene.IsThere(table) || scene.IsNewColumn(table, column)) return;
  CheckForeignViews(scene, table, "drop of the column");
  if (command["missing_ok"].IsTrue()) {
    scene.Report("N08", LintLevel::kNote, table,
                 absl::StrCat("IF EXISTS waits for ACCESS EXCLUSIVE on ", table,
                              " even when the column is gone"));
  }
  if (scene.MayTakeAway()) return;
  scene.Report("L20", LintLevel::kError, table,
               absl::StrCat("dropping ", table, ".", column,
                            " breaks whoever still uses it, and "
                            "its data is gone; it belongs into a CONTRACT revision"));
}

void CheckCommand(Scene& scene, const std::string& table, TreeNode command) {
  const std::string_view subtype = command["subtype"].raw();
  const std::string column = command["name"].text();
  const bool is_old = scene.IsInUse(table) && !scene.IsNewColumn(table, column);
  if (subtype == "AT_AddColumn") CheckNewColumn(scene, table, command);
  if (subtype == "AT_DropColumn") CheckDropColumn(scene, table, command);
  if (subtype == "AT_AlterColumnType") CheckType(scene, table, command);
  if (subtype == "AT_SetNotNull") CheckNotNull(scene, table, command);
  if (subtype == "AT_DropNotNull" && is_old && !scene.MayTakeAway()) {
    scene.Report("L22", LintLevel::kWarning, table,
                 absl::StrCat("readers of ", table, ".", column, " may rely on a value"));
  }
  if (subtype == "AT_ColumnDefault" && is_old && !scene.IsDown()) {
    scene.Report("L24", LintLevel::kWarning, table,
                 absl::StrCat("builds that insert without ", column, " get another value of ",
                              table, ".", column, " from now on"));
  }
}

}  // namespace

void CheckColumns(Scene& scene) {
  const std::string_view object = scene.body()["objtype"].raw();
  if (scene.node() != "AlterTableStmt" || !IsIn(object, {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"})) {
    return;
  }
  const std::string table = RelationName(scene.body()["relation"]);
  if (table.empty()) return;
  ForEachCommand(scene.body(), [&](TreeNode command) { CheckCommand(scene, table, command); });
}

}  // namespace lockstep::migration
