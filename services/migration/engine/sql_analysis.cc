#include "services/migration/engine/sql_analysis.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>
#include <utility>

#include "services/migration/engine/index_definition.h"
#include "services/migration/engine/sql_statements.h"

namespace lockstep::migration {
namespace {

using Access = ObjectUse::Access;

bool IsBuiltIn(std::string_view schema) {
  return schema == "pg_catalog" || schema == "information_schema";
}

// Objects that are named after the table that they belong to: the last part is not a relation's.
bool IsPartOfTable(std::string_view object_type) {
  return IsIn(object_type, {"OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER",
                            "OBJECT_POLICY", "OBJECT_RULE"});
}

bool IsRelation(std::string_view object_type) {
  return IsIn(object_type, {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE",
                            "OBJECT_INDEX", "OBJECT_FOREIGN_TABLE"}) ||
         IsPartOfTable(object_type);
}

// Walks one statement and collects what it names.
class Walker {
 public:
  Walker(Statement& statement, ScriptFacts& facts, std::set<std::string>& temporary)
      : statement_(statement), facts_(facts), temporary_(temporary) {}

  void WalkStatement(TreeNode wrapped) {
    drops_ = wrapped.key() == "DropStmt" && wrapped["behavior"].raw() != "DROP_CASCADE";
    CollectLocalNames(wrapped);
    for (TreeNode child = wrapped.first(); !child.empty(); child = child.next()) {
      Walk(child, wrapped, Access::kWrite);
    }
    ReadNamedObjects(wrapped);
    ReadSchemas(wrapped);
    CollectFacts(wrapped);
  }

 private:
  // Names that stand for something inside the script: WITH queries and temporary tables.
  void CollectLocalNames(TreeNode node) {
    if (const TreeNode cte = node["ctename"]; !cte.empty()) local_.insert(cte.text());
    if (node["relpersistence"].raw() == "t") temporary_.insert(node["relname"].text());
    for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
      CollectLocalNames(child);
    }
  }

  void Walk(TreeNode node, TreeNode parent, Access access) {
    const std::string_view key = node.key();
    if (key == "lockedRels") return;  // FOR UPDATE OF names aliases
    if (IsIn(key, {"fromClause", "usingClause", "pktable", "constrrel", "larg", "rarg",
                   "sourceRelation", "TableLikeClause", "RangeTableSample", "JoinExpr"})) {
      access = Access::kRead;
    }
    // Inside a query only INTO and a nested INSERT, UPDATE, DELETE, MERGE write.
    if (key == "SelectStmt") access = Access::kRead;
    if (IsIn(key, {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})) access = Access::kWrite;
    if (key == "intoClause" || key == "IntoClause") access = Access::kWrite;
    if (key == "relation" && parent.key() == "CopyStmt" && !parent["is_from"].IsTrue()) {
      access = Access::kRead;
    }
    if (node.IsObject() && node.Has("relname") && node.Has("relpersistence")) {
      AddRelation(node, access);
      return;
    }
    if (node.IsArray()) ReadNameList(node, parent);
    if (key == "FuncCall") ReadCall(node);
    if (key == "TypeCast") ReadRegCast(node);
    for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
      // The query of INSERT .. SELECT and the source of a view read; only the targets are written.
      const bool is_query = child.key() == "selectStmt" || child.key() == "query";
      Walk(child, node, is_query ? Access::kRead : access);
    }
  }

  std::size_t OffsetOf(TreeNode node) const {
    const long long location = node["location"].Number(-1);
    return location > 0 ? static_cast<std::size_t>(location) : statement_.begin;
  }

  void Add(Access access, bool is_relation, std::string schema, std::string name,
           std::size_t offset) {
    statement_.uses.push_back({access, is_relation, std::move(schema), std::move(name), offset});
  }

  void AddRelation(TreeNode range_var, Access access) {
    std::string schema = range_var["schemaname"].text();
    std::string name = range_var["relname"].text();
    if (schema.empty() &&
        (temporary_.contains(name) || (access == Access::kRead && local_.contains(name)))) {
      return;
    }
    Add(access, true, std::move(schema), std::move(name), OffsetOf(range_var));
  }

  // Adds names = [schema, name] (or [name]); a third part in front would be the database.
  void AddNames(const std::vector<std::string>& names, Access access, bool is_relation,
                std::size_t offset) {
    if (names.empty()) return;
    if (is_relation && names.size() == 1 && temporary_.contains(names[0])) return;
    Add(access, is_relation, names.size() > 1 ? names[names.size() - 2] : "", names.back(), offset);
  }

  // Lists of names whose meaning follows from the member that holds them.
  void ReadNameList(TreeNode list, TreeNode parent) {
    const std::string_view key = list.key();
    const bool creates = IsIn(key, {"defnames", "domainname", "typeName", "opclassname",
                                    "opfamilyname", "objname"}) ||
                         (key == "funcname" && parent.key() == "CreateFunctionStmt");
    const bool refers =
        IsIn(key, {"names", "funcname", "collname", "opclass", "operName", "useOp"}) ||
        (key == "name" && parent.key() == "A_Expr");
    if (!creates && !refers) return;
    const std::vector<std::string> names = NamesIn(list);
    if (!creates && names.size() < 2) return;  // built-in: without a schema in front
    // Its author's code runs: of the function, the operator's functions, a domain's checks. Nothing
    // of what is only dropped runs; but CASCADE takes along what the statement does not name.
    const bool runs = !creates && key != "collname" && !drops_;
    if (runs && !IsBuiltIn(names[names.size() - 2])) facts_.has_hidden_code = true;
    AddNames(names, creates ? Access::kWrite : Access::kRead, false, OffsetOf(parent));
  }

  static std::string LiteralOf(TreeNode argument) {
    if (argument.Has("TypeCast")) argument = argument["TypeCast"]["arg"];
    return argument["A_Const"]["sval"]["sval"].text();
  }

  // set_config('role', ...) is SET; nextval('core.s') names a sequence.
  void ReadCall(TreeNode call) {
    const std::vector<std::string> names = NamesIn(call["funcname"]);
    if (names.empty()) return;
    const TreeNode first = call["args"].first();
    if (names.back() == "set_config") {
      const TreeNode is_local = first.next().next()["A_Const"]["boolval"]["boolval"];
      std::string setting = LiteralOf(first);
      std::transform(setting.begin(), setting.end(), setting.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (!setting.empty()) statement_.settings.push_back({setting, is_local.IsTrue()});
    }
    if (IsIn(names.back(), {"nextval", "setval", "currval"}) && !first.Has("TypeCast")) {
      AddLiteralName(LiteralOf(first), OffsetOf(call));
    }
  }

  // 'core.s'::regclass names an object just as plainly as core.s does.
  void ReadRegCast(TreeNode cast) {
    const std::vector<std::string> type = NamesIn(cast["typeName"]["names"]);
    if (type.empty() || !type.back().starts_with("reg")) return;
    if (IsIn(type.back(), {"regrole", "regnamespace"})) return;
    AddLiteralName(cast["arg"]["A_Const"]["sval"]["sval"].text(), OffsetOf(cast));
  }

  void AddLiteralName(std::string_view literal, std::size_t offset) {
    const std::size_t dot = literal.find('.');
    if (dot == std::string_view::npos || literal.find('"') != std::string_view::npos) return;
    const std::string_view name = literal.substr(dot + 1);
    Add(Access::kRead, true, std::string(literal.substr(0, dot)),
        std::string(name.substr(0, name.find('('))), offset);
  }

  // DROP, COMMENT, ALTER .. RENAME and their like name objects by lists whose kind stands beside
  // them.
  void ReadNamedObjects(TreeNode body) {
    std::string_view type;
    for (const char* member : {"removeType", "renameType", "objectType", "objtype"}) {
      if (type.empty()) type = body[member].raw();
    }
    if (body.key() == "AlterTableStmt" || body.key() == "GrantStmt") return;
    for (TreeNode item = body["objects"].first(); !item.empty(); item = item.next()) {
      AddObject(item, type);
    }
    if (body.Has("object")) AddObject(body["object"], type);
  }

  void AddObject(TreeNode object, std::string_view type) {
    if (object.Has("TypeName")) {
      AddNames(NamesIn(object["TypeName"]["names"]), Access::kWrite, false, statement_.begin);
    }
    std::vector<std::string> names = NamesIn(object["List"]["items"]);
    if (names.empty()) return;  // functions are found by the walk
    if (IsPartOfTable(type)) names.pop_back();
    if (type == "OBJECT_OPCLASS" || type == "OBJECT_OPFAMILY") names.erase(names.begin());
    AddNames(names, Access::kWrite, IsRelation(type), statement_.begin);
  }

  // Schemas that are named as such: GRANT .. ON SCHEMA, IN SCHEMA, SET SCHEMA, COMMENT ON SCHEMA.
  void ReadSchemas(TreeNode body) {
    const auto add = [&](TreeNode name) {
      if (!name.empty()) Add(Access::kWrite, false, name.text(), "", statement_.begin);
    };
    add(body["newschema"]);
    const bool whole_schema = body["targtype"].raw() == "ACL_TARGET_ALL_IN_SCHEMA" ||
                              body["objtype"].raw() == "OBJECT_SCHEMA";
    if (whole_schema) {
      add(body["object"]["String"]["sval"]);
      for (TreeNode item = body["objects"].first(); !item.empty(); item = item.next()) {
        add(item["String"]["sval"]);
      }
    }
    if (body.key() == "CreateSchemaStmt") add(body["schemaname"]);
    for (TreeNode option = body["options"].first(); !option.empty(); option = option.next()) {
      const TreeNode element = option["DefElem"];
      if (body.key() != "AlterDefaultPrivilegesStmt" || element["defname"].raw() != "schemas") {
        continue;
      }
      const TreeNode schemas = element["arg"]["List"]["items"];
      for (TreeNode item = schemas.first(); !item.empty(); item = item.next()) {
        add(item["String"]["sval"]);
      }
    }
    if (body.key() == "ReindexStmt" && body["kind"].raw() == "REINDEX_OBJECT_SCHEMA") {
      add(body["name"]);
    }
  }

  void CollectFacts(TreeNode body) {
    const std::string_view node = body.key();
    if (IsIn(node, {"DoStmt", "CreateFunctionStmt", "CallStmt"})) facts_.has_hidden_code = true;
    CollectDestroyed(body);
    if (node == "DropStmt" && IsIn(body["removeType"].raw(), {"OBJECT_TABLE", "OBJECT_MATVIEW"})) {
      for (const ObjectUse& use : statement_.uses) {
        if (use.is_relation) facts_.tables_dropped.push_back(use.qualified());
      }
    }
    CollectTaken(body);
    const TreeNode relation = body["relation"];
    const std::string table = relation["schemaname"].text() + "." + relation["relname"].text();
    if (node == "AlterTableStmt") {
      for (TreeNode cmd = body["cmds"].first(); !cmd.empty(); cmd = cmd.next()) {
        const TreeNode command = cmd["AlterTableCmd"];
        if (command["subtype"].raw() != "AT_DropColumn") continue;
        facts_.columns_dropped.push_back({table, command["name"].text()});
      }
    }
    if (node == "IndexStmt" && body["concurrent"].IsTrue()) {
      facts_.concurrent_indexes.push_back({relation["schemaname"].text(), body["idxname"].text(),
                                           relation["relname"].text(), CanonicalIndex(body)});
    }
  }

  // What SQL that names it no longer finds as it was.
  void CollectTaken(TreeNode body) {
    const std::string_view node = body.key();
    const TreeNode relation = body["relation"];
    const std::string table = relation["schemaname"].text() + "." + relation["relname"].text();
    if (node == "DropStmt" &&
        IsIn(body["removeType"].raw(), {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW",
                                        "OBJECT_SEQUENCE", "OBJECT_FOREIGN_TABLE"})) {
      for (const ObjectUse& use : statement_.uses) {
        if (use.is_relation && !use.schema.empty()) facts_.taken.push_back(use.qualified());
      }
    }
    if (relation["schemaname"].text().empty()) return;
    const bool is_of_relation =
        IsIn(body["renameType"].raw(), {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW",
                                        "OBJECT_SEQUENCE", "OBJECT_FOREIGN_TABLE"});
    if (node == "RenameStmt" && is_of_relation) facts_.taken.push_back(table);
    if (node == "RenameStmt" && body["renameType"].raw() == "OBJECT_COLUMN") {
      facts_.taken.push_back(table + "." + body["subname"].text());
    }
    if (node == "AlterObjectSchemaStmt") facts_.taken.push_back(table);
    if (node != "AlterTableStmt") return;
    for (TreeNode cmd = body["cmds"].first(); !cmd.empty(); cmd = cmd.next()) {
      const TreeNode command = cmd["AlterTableCmd"];
      if (!IsIn(command["subtype"].raw(), {"AT_DropColumn", "AT_AlterColumnType"})) continue;
      facts_.taken.push_back(table + "." + command["name"].text());
    }
  }

  // Finds every statement that takes rows or values away, and everything that makes a query more
  // than a query.
  void CollectDestroyed(TreeNode node) {
    const std::string_view key = node.key();
    const auto destroyed = [&](TreeNode relation) {
      const std::string schema = relation["schemaname"].text();
      if (!schema.empty()) {
        facts_.rows_destroyed_in.push_back(schema + "." + relation["relname"].text());
      }
    };
    if (IsIn(key, {"UpdateStmt", "DeleteStmt", "MergeStmt"})) destroyed(node["relation"]);
    if (key == "TruncateStmt") {
      for (TreeNode item = node["relations"].first(); !item.empty(); item = item.next()) {
        destroyed(item["RangeVar"]);
      }
    }
    if (IsIn(key, {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "intoClause"})) {
      statement_.changes_data = true;
    }
    for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
      CollectDestroyed(child);
    }
  }

  Statement& statement_;
  ScriptFacts& facts_;
  std::set<std::string>& temporary_;
  bool drops_ = false;  // the statement is a DROP without CASCADE
  std::set<std::string> local_;
};

void SortUnique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

void SummariseUses(Analysis& analysis) {
  ScriptFacts& facts = analysis.facts;
  for (const Statement& statement : analysis.statements) {
    facts.tags.push_back(statement.tag);
    for (const ObjectUse& use : statement.uses) {
      if (use.schema.empty() || IsBuiltIn(use.schema)) continue;
      facts.schemas.push_back(use.schema);
      if (use.name.empty()) facts.changes_schemas = true;
      if (!use.is_relation) continue;
      (use.access == Access::kWrite ? facts.written : facts.read).push_back(use.qualified());
    }
  }
  SortUnique(facts.schemas);
  SortUnique(facts.written);
  SortUnique(facts.read);
  SortUnique(facts.tables_dropped);
  SortUnique(facts.rows_destroyed_in);
  SortUnique(facts.taken);
}

// The parser counts white space and comments around a statement as a part of it.
void TrimToTokens(const std::vector<Token>& tokens, Statement& statement) {
  auto token = std::lower_bound(
      tokens.begin(), tokens.end(), statement.begin,
      [](const Token& candidate, std::size_t offset) { return candidate.begin < offset; });
  while (token != tokens.end() && token->is_comment) ++token;
  if (token == tokens.end() || token->begin >= statement.end) return;
  statement.begin = token->begin;
  std::size_t end = token->end;
  for (; token != tokens.end() && token->end <= statement.end; ++token) {
    if (!token->is_comment) end = token->end;
  }
  statement.end = end;
}

}  // namespace

Analysis Analyse(const std::string& text, const std::vector<Token>& tokens, TreeNode root) {
  Analysis analysis;
  std::set<std::string> temporary;
  for (TreeNode item = root["stmts"].first(); !item.empty(); item = item.next()) {
    Statement& statement = analysis.statements.emplace_back();
    statement.begin = static_cast<std::size_t>(item["stmt_location"].Number(0));
    // The parser leaves the length out when the statement ends with the text.
    const long long length = item["stmt_len"].Number(0);
    statement.end = length > 0 ? statement.begin + static_cast<std::size_t>(length) : text.size();
    TrimToTokens(tokens, statement);
    const TreeNode wrapped = item["stmt"].first();
    Classify(wrapped, statement);
    Walker(statement, analysis.facts, temporary).WalkStatement(wrapped);
  }
  SummariseUses(analysis);
  return analysis;
}

}  // namespace lockstep::migration
