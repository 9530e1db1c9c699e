#include "services/migration/footprint/catalog.h"

#include <utility>
#include <vector>

#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/parsed_sql.h"
#include "services/migration/footprint/query_columns.h"

namespace lockstep::migration::footprint {
namespace {

// Applies the statements of one revision to the catalog.
class Builder {
 public:
  // `parents` are the tables that a table inherits its columns from: partitions follow theirs.
  using Parents = std::map<std::string, std::vector<std::string>, std::less<>>;

  Builder(Catalog& catalog, Parents& parents, std::size_t position)
      : catalog_(catalog), parents_(parents), position_(position) {}

  void Apply(TreeNode statement) {
    const std::string_view node = statement.key();
    if (node == "CreateStmt") CreateTable(statement);
    if (node == "AlterTableStmt") AlterTable(statement);
    if (node == "RenameStmt") Rename(statement);
    if (node == "AlterObjectSchemaStmt") MoveToSchema(statement);
    if (node == "DropStmt") Drop(statement);
    if (node == "ViewStmt") {
      CreateFromQuery(NameOf(statement["view"]), statement["query"], statement["aliases"]);
    }
    if (node == "CreateTableAsStmt") CreateTableAs(statement);
    if (node == "SelectStmt" && statement.Has("intoClause")) {
      const TreeNode into = statement["intoClause"];
      Create(NameOf(into["rel"]), ColumnsOfQuery(statement, catalog_), into["colNames"]);
    }
    if (node == "CreateSeqStmt") Add(NameOf(statement["sequence"]), WithoutColumns());
    if (node == "CompositeTypeStmt") Add(NameOf(statement["typevar"]), WithoutColumns());
    // CREATE TRIGGER has a function's name too, of one that exists already.
    if (node == "CreateFunctionStmt") AddNamed(statement["funcname"]);
    if (node == "CreateDomainStmt") AddNamed(statement["domainname"]);
    if (node == "CreateEnumStmt" || node == "CreateRangeStmt") AddNamed(statement["typeName"]);
    if (node == "DefineStmt") AddNamed(statement["defnames"]);
  }

 private:
  Relation WithoutColumns() const { return {.introduced = position_, .has_all_columns = false}; }

  void Add(const std::string& name, Relation relation) {
    catalog_.dropped.erase(name);
    catalog_.relations[name] = std::move(relation);
  }

  // An object that a list of names names: [schema, name].
  void AddNamed(TreeNode list) {
    const std::vector<std::string> names = TextsIn(list);
    if (names.size() == 2) Add(names[0] + "." + names[1], WithoutColumns());
  }

  void Remove(const std::string& name) {
    if (catalog_.relations.erase(name) > 0) catalog_.dropped[name] = position_;
    parents_.erase(name);
  }

  void CopyColumns(const std::string& from, Relation& into) const {
    const Relation* source = catalog_.Find(from);
    if (source == nullptr || !source->has_all_columns) into.has_all_columns = false;
    if (source == nullptr) return;
    for (const auto& [column, introduced] : source->columns) into.columns[column] = position_;
  }

  void CreateTable(TreeNode statement) {
    const std::string name = NameOf(statement["relation"]);
    if (statement["if_not_exists"].IsTrue() && catalog_.relations.contains(name)) return;
    Relation relation{.introduced = position_};
    if (statement.Has("ofTypename")) relation.has_all_columns = false;
    std::vector<std::string> parents;
    for (TreeNode item = statement["inhRelations"].first(); !item.empty(); item = item.next()) {
      parents.push_back(NameOf(item["RangeVar"]));
      CopyColumns(parents.back(), relation);
    }
    for (TreeNode item = statement["tableElts"].first(); !item.empty(); item = item.next()) {
      if (item.Has("ColumnDef")) relation.columns[item["ColumnDef"]["colname"].text()] = position_;
      if (item.Has("TableLikeClause")) {
        CopyColumns(NameOf(item["TableLikeClause"]["relation"]), relation);
      }
    }
    Add(name, std::move(relation));
    if (!parents.empty()) parents_[name] = std::move(parents);
  }

  // A view or table made of a query; `aliases` are the names of its first columns.
  void Create(const std::string& name, QueryColumns columns, TreeNode aliases) {
    const std::vector<std::string> given = TextsIn(aliases);
    // Where a `*` is, nobody knows which column an alias renames.
    if (columns.has_star && !given.empty()) columns.is_complete = false;
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (i < columns.names.size() && !columns.has_star) {
        columns.names[i] = given[i];
      } else {
        columns.names.push_back(given[i]);
      }
    }
    Relation relation{.introduced = position_, .has_all_columns = columns.is_complete};
    for (const std::string& column : columns.names) {
      if (column.empty()) relation.has_all_columns = false;
      if (!column.empty()) relation.columns[column] = position_;
    }
    Add(name, std::move(relation));
  }

  void CreateFromQuery(const std::string& name, TreeNode query, TreeNode aliases) {
    const TreeNode select = query["SelectStmt"];
    if (select.empty()) {
      Add(name, WithoutColumns());
    } else {
      Create(name, ColumnsOfQuery(select, catalog_), aliases);
    }
  }

  void CreateTableAs(TreeNode statement) {
    const TreeNode into = statement["into"];
    const std::string name = NameOf(into["rel"]);
    if (statement["if_not_exists"].IsTrue() && catalog_.relations.contains(name)) return;
    CreateFromQuery(name, statement["query"], into["colNames"]);
  }

  // The names of the relation and of those that inherit from it.
  std::vector<std::string> WithHeirs(const std::string& name) const {
    std::vector<std::string> names{name};
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (const auto& [heir, parents] : parents_) {
        for (const std::string& parent : parents) {
          if (parent == names[i]) names.push_back(heir);
        }
      }
    }
    return names;
  }

  // Calls `change` with the relation and with its heirs.
  template <typename Change>
  void ForEachHeir(const std::string& name, Change change) {
    for (const std::string& each : WithHeirs(name)) {
      const auto found = catalog_.relations.find(each);
      if (found != catalog_.relations.end()) change(found->second);
    }
  }

  void AlterTable(TreeNode statement) {
    const std::string name = NameOf(statement["relation"]);
    for (TreeNode item = statement["cmds"].first(); !item.empty(); item = item.next()) {
      const TreeNode command = item["AlterTableCmd"];
      const std::string_view kind = command["subtype"].raw();
      const std::string column = command["name"].text();
      if (kind == "AT_AddColumn") {
        const std::string added = command["def"]["ColumnDef"]["colname"].text();
        const bool keeps = command["missing_ok"].IsTrue();
        ForEachHeir(name, [&](Relation& relation) {
          if (!keeps || !relation.columns.contains(added)) relation.columns[added] = position_;
        });
      } else if (kind == "AT_DropColumn") {
        ForEachHeir(name, [&](Relation& relation) { relation.columns.erase(column); });
        catalog_.dropped[name + "." + column] = position_;
      } else if (kind == "AT_AlterColumnType") {
        ForEachHeir(name, [&](Relation& relation) { relation.columns[column] = position_; });
      }
    }
  }

  void RenameRelation(const std::string& from, const std::string& to) {
    const auto found = catalog_.relations.find(from);
    if (found == catalog_.relations.end() || from == to) return;
    Relation relation = std::move(found->second);
    relation.introduced = position_;
    std::vector<std::string> parents;
    if (const auto own = parents_.find(from); own != parents_.end()) parents = own->second;
    Remove(from);
    Add(to, std::move(relation));
    if (!parents.empty()) parents_[to] = std::move(parents);
    for (auto& [heir, names] : parents_) {
      for (std::string& name : names) {
        if (name == from) name = to;
      }
    }
  }

  void Rename(TreeNode statement) {
    const std::string to = statement["newname"].text();
    const TreeNode relation = statement["relation"];
    if (statement["renameType"].raw() == "OBJECT_COLUMN") {
      const std::string from = statement["subname"].text();
      ForEachHeir(NameOf(relation), [&](Relation& each) {
        if (each.columns.erase(from) > 0 || !each.has_all_columns) each.columns[to] = position_;
      });
      catalog_.dropped[NameOf(relation) + "." + from] = position_;
    } else if (statement.Has("object")) {
      RenameNamed(statement["object"], to);
    } else if (!relation.empty() && !statement.Has("subname")) {
      RenameRelation(NameOf(relation), relation["schemaname"].text() + "." + to);
    }
  }

  // A function or type.
  static std::vector<std::string> NamesOf(TreeNode object) {
    if (object.Has("ObjectWithArgs")) return TextsIn(object["ObjectWithArgs"]["objname"]);
    if (object.Has("TypeName")) return TextsIn(object["TypeName"]["names"]);
    return TextsIn(object["List"]["items"]);
  }

  void RenameNamed(TreeNode object, const std::string& to) {
    const std::vector<std::string> names = NamesOf(object);
    if (names.size() == 2) RenameRelation(names[0] + "." + names[1], names[0] + "." + to);
  }

  void MoveToSchema(TreeNode statement) {
    const std::string schema = statement["newschema"].text();
    const TreeNode relation = statement["relation"];
    if (!relation.empty()) {
      RenameRelation(NameOf(relation), schema + "." + relation["relname"].text());
      return;
    }
    const std::vector<std::string> names = NamesOf(statement["object"]);
    if (names.size() == 2) RenameRelation(names[0] + "." + names[1], schema + "." + names[1]);
  }

  void Drop(TreeNode statement) {
    // A trigger or policy is named after its table and three parts long.
    for (TreeNode item = statement["objects"].first(); !item.empty(); item = item.next()) {
      const std::vector<std::string> names = NamesOf(item);
      if (names.size() == 2) Remove(names[0] + "." + names[1]);
    }
  }

  Catalog& catalog_;
  Parents& parents_;
  const std::size_t position_;
};

}  // namespace

Catalog BuildCatalog(const Definitions& definitions) {
  Catalog catalog;
  Builder::Parents parents;
  for (std::size_t position = 0; position < definitions.revisions.size(); ++position) {
    Builder builder(catalog, parents, position);
    for (const Step& step : definitions.revisions[position].steps) {
      if (step.up.empty() || step.up.is_opaque) continue;
      const ParsedSql parsed(step.up.text);
      if (!parsed.ok()) continue;
      const ParseTree tree(parsed.json());
      const TreeNode statements = tree.root()["stmts"];
      for (TreeNode item = statements.first(); !item.empty(); item = item.next()) {
        builder.Apply(item["stmt"].first());
      }
    }
  }
  return catalog;
}

}  // namespace lockstep::migration::footprint
