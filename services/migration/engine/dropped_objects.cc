#include "services/migration/engine/dropped_objects.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/parsed_sql.h"

namespace lockstep::migration {
namespace {

using Kind = DroppedObject::Kind;

std::optional<Kind> KindOf(std::string_view object_type) {
  if (IsIn(object_type, {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE",
                         "OBJECT_SEQUENCE", "OBJECT_INDEX"})) {
    return Kind::kRelation;
  }
  if (IsIn(object_type, {"OBJECT_TYPE", "OBJECT_DOMAIN"})) return Kind::kType;
  if (object_type == "OBJECT_COLLATION") return Kind::kCollation;
  if (IsIn(object_type,
           {"OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE"})) {
    return Kind::kFunction;
  }
  if (object_type == "OBJECT_SCHEMA") return Kind::kSchema;
  if (object_type == "OBJECT_EXTENSION") return Kind::kExtension;
  return std::nullopt;
}

// {"core", "money_t"} as to_regtype() reads it, with "[]" for arrays.
std::string TypeText(TreeNode type_name) {
  std::string text;
  for (const std::string& name : NamesIn(type_name["names"])) {
    if (!text.empty()) text += '.';
    text += '"';
    for (const char c : name) text.append(c == '"' ? 2 : 1, c);
    text += '"';
  }
  return type_name["arrayBounds"].first().empty() ? text : text + "[]";
}

// nullopt: as if no types were given. core.t.id%TYPE is for PostgreSQL to look up.
std::optional<std::vector<std::string>> ArgumentTypes(TreeNode function) {
  if (function["args_unspecified"].IsTrue()) return std::nullopt;
  std::vector<std::string> types;
  for (TreeNode item = function["objargs"].first(); !item.empty(); item = item.next()) {
    if (item["TypeName"]["pct_type"].IsTrue()) return std::nullopt;
    types.push_back(TypeText(item["TypeName"]));
  }
  return types;
}

void AddDropped(TreeNode item, Kind kind, DroppedObject object,
                std::vector<DroppedObject>& dropped) {
  object.kind = kind;
  if (kind == Kind::kSchema || kind == Kind::kExtension) {
    (kind == Kind::kSchema ? object.schema : object.name) = item["String"]["sval"].text();
    dropped.push_back(std::move(object));
    return;
  }
  const TreeNode function = item["ObjectWithArgs"];
  const std::vector<std::string> names = NamesIn(kind == Kind::kType ? item["TypeName"]["names"]
                                                 : kind == Kind::kFunction ? function["objname"]
                                                                           : item["List"]["items"]);
  if (names.size() < 2) return;
  object.schema = names[names.size() - 2];
  object.name = names.back();
  if (kind == Kind::kFunction) object.arguments = ArgumentTypes(function);
  dropped.push_back(std::move(object));
}

void ReadAlterTable(TreeNode body, std::vector<DroppedObject>& dropped) {
  const TreeNode table = body["relation"];
  if (!table.Has("schemaname")) return;
  for (TreeNode item = body["cmds"].first(); !item.empty(); item = item.next()) {
    const TreeNode command = item["AlterTableCmd"];
    const std::string_view subtype = command["subtype"].raw();
    if (!IsIn(subtype, {"AT_DropColumn", "AT_DropConstraint"})) continue;
    dropped.push_back({.kind = subtype == "AT_DropColumn" ? Kind::kColumn : Kind::kConstraint,
                       .schema = table["schemaname"].text(),
                       .name = table["relname"].text(),
                       .part = command["name"].text(),
                       .cascades = command["behavior"].raw() == "DROP_CASCADE"});
  }
}

// The relation that a statement creates; empty when it creates none.
TreeNode CreatedRelation(TreeNode body) {
  if (body.key() == "CreateStmt") return body["relation"];
  if (body.key() == "ViewStmt") return body["view"];
  if (body.key() == "CreateTableAsStmt") return body["into"]["rel"];
  return {};
}

void Read(TreeNode body, ObjectChanges& changes) {
  if (body.key() == "DropStmt") {
    const std::string_view type = body["removeType"].raw();
    const std::optional<Kind> kind = KindOf(type);
    DroppedObject object;
    object.cascades = body["behavior"].raw() == "DROP_CASCADE";
    object.is_view = type == "OBJECT_VIEW";
    for (TreeNode item = body["objects"].first(); kind.has_value() && !item.empty();
         item = item.next()) {
      AddDropped(item, *kind, object, changes.dropped);
    }
  } else if (body.key() == "AlterTableStmt") {
    ReadAlterTable(body, changes.dropped);
  } else if (const TreeNode created = CreatedRelation(body); created.Has("schemaname")) {
    changes.made.insert(created["schemaname"].text() + "." + created["relname"].text());
  }
}

}  // namespace

std::string DroppedObject::text() const {
  switch (kind) {
    case Kind::kSchema:
      return "schema " + schema;
    case Kind::kExtension:
      return "extension " + name;
    case Kind::kColumn:
      return schema + "." + name + "." + part;
    case Kind::kConstraint:
      return "constraint " + part + " of " + schema + "." + name;
    case Kind::kFunction:
      return "function " + schema + "." + name;
    case Kind::kType:
      return "type " + schema + "." + name;
    case Kind::kCollation:
      return "collation " + schema + "." + name;
    case Kind::kRelation:
      break;
  }
  return schema + "." + name;
}

ObjectChanges ReadObjectChanges(const Script& script) {
  ObjectChanges changes;
  if (script.is_opaque || script.empty()) return changes;
  const ParsedSql parsed(script.text);
  if (!parsed.ok()) return changes;
  const ParseTree tree(parsed.json());
  for (TreeNode item = tree.root()["stmts"].first(); !item.empty(); item = item.next()) {
    Read(item["stmt"].first(), changes);
  }
  return changes;
}

}  // namespace lockstep::migration
