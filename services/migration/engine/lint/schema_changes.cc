// What one statement does to the model.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/migration/engine/lint/schema_model.h"

namespace lockstep::migration {
namespace {

using Kind = ModelConstraint::Kind;

std::string LastPart(std::string_view qualified) {
  return std::string(qualified.substr(qualified.rfind('.') + 1));
}

std::string SchemaPart(std::string_view qualified) {
  return std::string(qualified.substr(0, qualified.find('.') + 1));
}

// The columns that an expression names.
void CollectColumns(TreeNode node, std::vector<std::string>& columns) {
  if (node.key() == "ColumnRef") {
    const std::vector<std::string> names = NamesIn(node["fields"]);
    if (!names.empty()) columns.push_back(names.back());
    return;
  }
  for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
    CollectColumns(child, columns);
  }
}

// The columns of "c IS NOT NULL AND d IS NOT NULL"; other conditions that are AND-ed do not matter.
void CollectNotNull(TreeNode expression, std::vector<std::string>& columns) {
  const TreeNode test = expression["NullTest"];
  if (!test.empty() && test["nulltesttype"].raw() == "IS_NOT_NULL" &&
      test["arg"].Has("ColumnRef")) {
    CollectColumns(test, columns);
  }
  const TreeNode both = expression["BoolExpr"];
  if (both["boolop"].raw() != "AND_EXPR") return;
  for (TreeNode item = both["args"].first(); !item.empty(); item = item.next()) {
    CollectNotNull(item, columns);
  }
}

class Change {
 public:
  Change(SchemaModel& model, TreeNode body) : model_(model), body_(body), node_(body.key()) {}

  void Apply();

 private:
  void CreateTable();
  void CreateTableAs();
  void CreateView();
  void CreateIndex();
  void AlterTable();
  void Command(TreeNode command, const std::string& name, ModelTable& table);
  void AddConstraint(TreeNode constraint, const std::string& column, const std::string& table_name,
                     ModelTable& table);
  void AddColumn(TreeNode definition, const std::string& table_name, ModelTable& table);
  void DropColumn(const std::string& column, ModelTable& table);
  void UseIndex(TreeNode constraint, Kind kind, ModelTable& table);
  void Drop();
  void Rename();
  void CreateDomain();

  SchemaModel& model_;
  TreeNode body_;
  std::string_view node_;
};

void Change::Apply() {
  if (node_ == "CreateStmt") CreateTable();
  if (node_ == "CreateTableAsStmt" || node_ == "SelectStmt") CreateTableAs();
  if (node_ == "ViewStmt") CreateView();
  if (node_ == "IndexStmt") CreateIndex();
  if (node_ == "AlterTableStmt") AlterTable();
  if (node_ == "DropStmt") Drop();
  if (node_ == "RenameStmt") Rename();
  if (node_ == "CreateDomainStmt") CreateDomain();
  if (node_ == "CreateEnumStmt") model_.AddType(NameOfList(body_["typeName"]), false);
  if (node_ == "CompositeTypeStmt") model_.AddType(RelationName(body_["typevar"]), false);
  if (node_ == "AlterObjectSchemaStmt" && body_.Has("relation")) {
    const std::string from = RelationName(body_["relation"]);
    model_.Rename(from, body_["newschema"].text() + "." + LastPart(from));
  }
}

void Change::CreateDomain() {
  bool is_constrained =
      model_.IsConstrainedDomain(NameOfList(body_["typeName"]["names"])).value_or(false);
  for (TreeNode item = body_["constraints"].first(); !item.empty(); item = item.next()) {
    const std::string_view kind = item["Constraint"]["contype"].raw();
    is_constrained = is_constrained || kind == "CONSTR_CHECK" || kind == "CONSTR_NOTNULL";
  }
  model_.AddType(NameOfList(body_["domainname"]), is_constrained);
}

// A temporary table hides one of its name, and nobody else sees it.
std::string NameOfNew(TreeNode range_var) {
  if (range_var["relpersistence"].raw() == "t" || range_var["schemaname"].raw() == "pg_temp") {
    return "public." + range_var["relname"].text();
  }
  return RelationName(range_var);
}

void Change::CreateTable() {
  const std::string name = NameOfNew(body_["relation"]);
  if (name.empty()) return;
  if (body_["if_not_exists"].IsTrue() && model_.Find(name) != nullptr) return;
  ModelTable made;
  // With IF NOT EXISTS it may have been there, unless the catalog says that it was not.
  made.is_new = !body_["if_not_exists"].IsTrue() || model_.is_connected;
  if (made.is_new) made.rows = 0;
  made.kind = body_.Has("partspec") ? ModelTable::Kind::kPartitioned : ModelTable::Kind::kTable;
  made.knows_everything = made.is_new && !body_.Has("inhRelations");
  ModelTable& table = model_.Add(name, std::move(made));
  for (TreeNode item = body_["tableElts"].first(); !item.empty(); item = item.next()) {
    if (item.Has("ColumnDef")) AddColumn(item["ColumnDef"], name, table);
    if (item.Has("TableLikeClause")) table.knows_everything = false;
  }
  for (TreeNode item = body_["tableElts"].first(); !item.empty(); item = item.next()) {
    if (item.Has("Constraint")) AddConstraint(item["Constraint"], "", name, table);
  }
  // Of an empty table PostgreSQL takes no constraint for unchecked.
  for (ModelConstraint& have : table.constraints) have.is_validated = true;
}

void Change::CreateTableAs() {
  const TreeNode target = body_[node_ == "SelectStmt" ? "intoClause" : "into"]["rel"];
  if (!target.Has("relname")) return;
  const std::string name = NameOfNew(target);
  ModelTable made;
  made.is_new = !body_["if_not_exists"].IsTrue();
  made.kind = body_["objtype"].raw() == "OBJECT_MATVIEW" ? ModelTable::Kind::kMaterializedView
                                                         : ModelTable::Kind::kTable;
  model_.Add(name, std::move(made));
}

void Change::CreateView() {
  const std::string name = NameOfNew(body_["view"]);
  if (model_.Find(name) != nullptr) return;
  ModelTable made;
  // Without a catalog nobody knows whether it replaces one.
  made.is_new = !body_["replace"].IsTrue() || model_.is_connected;
  made.kind = ModelTable::Kind::kView;
  model_.Add(name, std::move(made));
}

void Change::CreateIndex() {
  ModelTable* const table = model_.FindForChange(RelationName(body_["relation"]));
  if (table == nullptr) return;
  ModelIndex index;
  index.name = body_["idxname"].text();
  index.is_unique = body_["unique"].IsTrue();
  index.is_partial = body_.Has("whereClause");
  index.is_new = true;
  for (TreeNode item = body_["indexParams"].first(); !item.empty(); item = item.next()) {
    index.columns.push_back(item["IndexElem"]["name"].text());
    CollectColumns(item["IndexElem"]["expr"], index.used);
  }
  CollectColumns(body_["whereClause"], index.used);
  table->indexes.push_back(std::move(index));
}

void Change::AddColumn(TreeNode definition, const std::string& table_name, ModelTable& table) {
  const std::string name = definition["colname"].text();
  ModelColumn column;
  column.type = TypeText(definition["typeName"]);
  column.is_new = true;
  if (column.type == "serial" || column.type == "serial4") column.type = "int4";
  if (column.type == "bigserial" || column.type == "serial8") column.type = "int8";
  if (column.type == "smallserial" || column.type == "serial2") column.type = "int2";
  for (TreeNode item = definition["constraints"].first(); !item.empty(); item = item.next()) {
    const std::string_view kind = item["Constraint"]["contype"].raw();
    if (kind == "CONSTR_NOTNULL" || kind == "CONSTR_PRIMARY" || kind == "CONSTR_IDENTITY") {
      column.is_not_null = true;
    }
  }
  table.columns.insert_or_assign(name, std::move(column));
  for (TreeNode item = definition["constraints"].first(); !item.empty(); item = item.next()) {
    AddConstraint(item["Constraint"], name, table_name, table);
  }
}

void Change::UseIndex(TreeNode constraint, Kind kind, ModelTable& table) {
  const std::string name = constraint["indexname"].text();
  for (ModelIndex& index : table.indexes) {
    if (index.name != name) continue;
    index.is_unique = true;
    table.constraints.push_back(
        {.kind = kind, .name = constraint["conname"].text(), .columns = index.columns});
    if (kind == Kind::kPrimary) table.primary_key = index.columns;
    if (constraint.Has("conname")) index.name = constraint["conname"].text();
    return;
  }
}

void Change::AddConstraint(TreeNode constraint, const std::string& column,
                           const std::string& table_name, ModelTable& table) {
  const std::string_view type = constraint["contype"].raw();
  ModelConstraint made;
  made.name = constraint["conname"].text();
  made.is_validated = !constraint["skip_validation"].IsTrue();
  if (type == "CONSTR_CHECK") {
    made.kind = Kind::kCheck;
    CollectColumns(constraint["raw_expr"], made.columns);
    CollectNotNull(constraint["raw_expr"], made.not_null_columns);
  } else if (type == "CONSTR_FOREIGN") {
    made.kind = Kind::kForeign;
    made.columns = NamesIn(constraint["fk_attrs"]);
    if (made.columns.empty()) made.columns.push_back(column);
    made.referenced = RelationName(constraint["pktable"]);
    made.referenced_keys = NamesIn(constraint["pk_attrs"]);
    if (made.name.empty()) made.name = LastPart(table_name) + "_" + made.columns[0] + "_fkey";
  } else if (type == "CONSTR_UNIQUE" || type == "CONSTR_PRIMARY") {
    made.kind = type == "CONSTR_UNIQUE" ? Kind::kUnique : Kind::kPrimary;
    if (constraint.Has("indexname")) {
      UseIndex(constraint, made.kind, table);
      return;
    }
    made.columns = NamesIn(constraint["keys"]);
    if (made.columns.empty() && !column.empty()) made.columns.push_back(column);
    if (made.name.empty()) {
      made.name = LastPart(table_name) +
                  (made.kind == Kind::kPrimary
                       ? "_pkey"
                       : "_" + (made.columns.empty() ? column : made.columns[0]) + "_key");
    }
    if (made.kind == Kind::kPrimary) {
      table.primary_key = made.columns;
      for (const std::string& key : made.columns) {
        const auto at = table.columns.find(key);
        if (at != table.columns.end()) at->second.is_not_null = true;
      }
    }
    table.indexes.push_back(
        {.name = made.name, .columns = made.columns, .is_unique = true, .is_new = true});
  } else if (type == "CONSTR_EXCLUSION") {
    made.kind = Kind::kExclude;
  } else {
    return;
  }
  table.constraints.push_back(std::move(made));
}

void Change::DropColumn(const std::string& column, ModelTable& table) {
  const auto names = [&](const auto& part) {
    return std::find(part.columns.begin(), part.columns.end(), column) != part.columns.end();
  };
  const auto found = table.columns.find(column);
  if (found != table.columns.end()) table.columns.erase(found);
  std::erase_if(table.indexes, names);
  std::erase_if(table.constraints, names);
}

void Change::Command(TreeNode command, const std::string& name, ModelTable& table) {
  const std::string_view subtype = command["subtype"].raw();
  const std::string part = command["name"].text();
  const auto column = table.columns.find(part);
  const bool has_column = column != table.columns.end();
  if (subtype == "AT_AddColumn") {
    const TreeNode definition = command["def"]["ColumnDef"];
    const bool is_there = table.columns.contains(definition["colname"].text());
    if (!(is_there && command["missing_ok"].IsTrue())) AddColumn(definition, name, table);
  } else if (subtype == "AT_DropColumn") {
    DropColumn(part, table);
  } else if (subtype == "AT_AlterColumnType") {
    if (has_column) column->second.type = TypeText(command["def"]["ColumnDef"]["typeName"]);
  } else if (subtype == "AT_SetNotNull") {
    if (has_column) column->second.is_not_null = true;
  } else if (subtype == "AT_DropNotNull") {
    if (has_column) column->second.is_not_null = false;
  } else if (subtype == "AT_AddConstraint") {
    AddConstraint(command["def"]["Constraint"], "", name, table);
  } else if (subtype == "AT_DropConstraint") {
    std::erase_if(table.constraints, [&](const auto& have) { return have.name == part; });
    std::erase_if(table.indexes, [&](const auto& have) { return have.name == part; });
  } else if (subtype == "AT_ValidateConstraint") {
    for (ModelConstraint& have : table.constraints) {
      if (have.name == part) have.is_validated = true;
    }
  }
}

void Change::AlterTable() {
  const std::string name = RelationName(body_["relation"]);
  if (name.empty()) return;
  ModelTable* table = model_.FindForChange(name);
  // What a script says of a table that nobody knows is known from then on.
  if (table == nullptr) table = &model_.Add(name, {});
  for (TreeNode item = body_["cmds"].first(); !item.empty(); item = item.next()) {
    Command(item["AlterTableCmd"], name, *table);
  }
}

void Change::Drop() {
  const std::string_view type = body_["removeType"].raw();
  for (TreeNode item = body_["objects"].first(); !item.empty(); item = item.next()) {
    const std::string name = NameOfList(item["List"]["items"]);
    if (IsIn(type, {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"})) {
      model_.Remove(name);
    } else if (type == "OBJECT_INDEX") {
      ModelTable* const table = model_.FindForChange(model_.TableOfIndex(name));
      if (table == nullptr) continue;
      std::erase_if(table->indexes, [&](const auto& have) { return have.name == LastPart(name); });
    }
  }
}

void Change::Rename() {
  const std::string_view type = body_["renameType"].raw();
  const std::string name = RelationName(body_["relation"]);
  const std::string to = body_["newname"].text();
  if (IsIn(type, {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW"})) {
    model_.Rename(name, SchemaPart(name) + to);
    return;
  }
  ModelTable* const table =
      model_.FindForChange(type == "OBJECT_INDEX" ? model_.TableOfIndex(name) : name);
  if (table == nullptr) return;
  const std::string from = body_["subname"].text();
  if (type == "OBJECT_COLUMN") {
    auto moved = table->columns.extract(from);
    if (moved.empty()) return;
    moved.key() = to;
    table->columns.insert(std::move(moved));
    for (ModelIndex& index : table->indexes) {
      std::replace(index.columns.begin(), index.columns.end(), from, to);
      std::replace(index.used.begin(), index.used.end(), from, to);
    }
    for (ModelConstraint& have : table->constraints) {
      std::replace(have.columns.begin(), have.columns.end(), from, to);
      std::replace(have.not_null_columns.begin(), have.not_null_columns.end(), from, to);
    }
  } else if (type == "OBJECT_TABCONSTRAINT") {
    for (ModelConstraint& have : table->constraints) {
      if (have.name == from) have.name = to;
    }
  } else if (type == "OBJECT_INDEX") {
    for (ModelIndex& index : table->indexes) {
      if (index.name == LastPart(name)) index.name = to;
    }
  }
}

}  // namespace

void SchemaModel::Apply(TreeNode body) { Change(*this, body).Apply(); }

}  // namespace lockstep::migration
