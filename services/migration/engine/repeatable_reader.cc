#include "services/migration/engine/repeatable_reader.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "services/migration/engine/ownership.h"
#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/parsed_sql.h"
#include "services/migration/engine/sql.h"
#include "services/migration/engine/sql_reader.h"
#include "services/migration/engine/sql_rules.h"

namespace lockstep::migration {
namespace {

constexpr char kAllowed[] =
    "CREATE OR REPLACE VIEW, FUNCTION and PROCEDURE, and COMMENT ON, GRANT and REVOKE of these";

// As SQL needs it after a dot, or alone when it is a schema of ours.
std::string Quoted(std::string_view name) {
  const bool is_plain = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
                        std::all_of(name.begin(), name.end(), [](unsigned char c) {
                          return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
                        });
  if (is_plain) return std::string(name);
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::vector<std::string> NamesOf(TreeNode list) {
  std::vector<std::string> names;
  for (TreeNode item = list.first(); !item.empty(); item = item.next()) {
    names.push_back(item["String"]["sval"].text());
  }
  return names;
}

// The last two parts: "core.stock"; "" without a schema.
std::string QualifiedName(const std::vector<std::string>& names) {
  return names.size() < 2 ? "" : names[names.size() - 2] + "." + names.back();
}

// "pg_catalog.int4[]"; nullopt for a type that is named after a column (core.t.c%TYPE).
std::optional<std::string> TypeText(TreeNode type) {
  if (type["pct_type"].IsTrue()) return std::nullopt;
  std::vector<std::string> names = NamesOf(type["names"]);
  // Without a schema only built-in types are found.
  if (names.size() == 1) names.insert(names.begin(), "pg_catalog");
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ".") + Quoted(name);
  for (TreeNode bound = type["arrayBounds"].first(); !bound.empty(); bound = bound.next()) {
    return text + "[]";
  }
  return text;
}

// The types by which calls find it. nullopt when one of them is not known here.
std::optional<std::string> ArgumentsText(TreeNode parameters) {
  std::string text;
  for (TreeNode item = parameters.first(); !item.empty(); item = item.next()) {
    const TreeNode parameter = item["FunctionParameter"];
    const std::string_view mode = parameter["mode"].raw();
    if (mode == "FUNC_PARAM_OUT" || mode == "FUNC_PARAM_TABLE") continue;
    const auto type = TypeText(parameter["argType"]);
    if (!type.has_value()) return std::nullopt;
    text += (text.empty() ? "" : ",") + *type;
  }
  return "(" + text + ")";
}

// What a statement creates; nullopt when it is something else. An identity of "" could not be told.
std::optional<RepeatableObject> CreatedBy(TreeNode statement) {
  if (statement.key() == "ViewStmt") {
    const TreeNode view = statement["view"];
    const std::string schema = view["schemaname"].text();
    const std::string name = view["relname"].text();
    return RepeatableObject{.kind = "view",
                            .name = schema + "." + name,
                            .identity = Quoted(schema) + "." + Quoted(name)};
  }
  if (statement.key() != "CreateFunctionStmt") return std::nullopt;
  const std::vector<std::string> names = NamesOf(statement["funcname"]);
  RepeatableObject object{.kind = statement["is_procedure"].IsTrue() ? "procedure" : "function",
                          .name = QualifiedName(names),
                          .identity = ""};
  const auto arguments = ArgumentsText(statement["parameters"]);
  if (arguments.has_value() && names.size() > 1) {
    object.identity = Quoted(names[names.size() - 2]) + "." + Quoted(names.back()) + *arguments;
  }
  return object;
}

// The names of the objects that COMMENT ON, GRANT and REVOKE are about; nullopt: not about views,
// functions or procedures by name.
std::optional<std::vector<std::string>> DescribedBy(TreeNode statement) {
  constexpr std::string_view kKinds[] = {"OBJECT_VIEW",     "OBJECT_TABLE",     "OBJECT_COLUMN",
                                         "OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"};
  const std::string_view kind = statement["objtype"].raw();
  if (std::find(std::begin(kKinds), std::end(kKinds), kind) == std::end(kKinds)) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  const auto add = [&](TreeNode object) {
    std::vector<std::string> parts = NamesOf(object["List"]["items"]);
    if (object.Has("ObjectWithArgs")) parts = NamesOf(object["ObjectWithArgs"]["objname"]);
    if (object.Has("RangeVar")) {
      parts = {object["RangeVar"]["schemaname"].text(), object["RangeVar"]["relname"].text()};
    }
    if (kind == "OBJECT_COLUMN" && !parts.empty()) parts.pop_back();
    names.push_back(QualifiedName(parts));
  };
  if (statement.key() == "CommentStmt") {
    add(statement["object"]);
    return names;
  }
  if (statement.key() != "GrantStmt" || statement["targtype"].raw() != "ACL_TARGET_OBJECT") {
    return std::nullopt;
  }
  for (TreeNode item = statement["objects"].first(); !item.empty(); item = item.next()) add(item);
  return names;
}

class Reader {
 public:
  Reader(ReadRepeatableResult& result, std::string_view file, std::vector<Problem>& problems)
      : result_(result), repeatable_(result.repeatable), file_(file), problems_(problems) {}

  void Read(std::string_view text) {
    std::vector<Problem> unread;
    const ReadSql sql = ReadSqlText(file_, text, problems_, unread);
    repeatable_.script = sql.script;
    if (!sql.is_readable) return;
    ReadHeader();
    std::set<std::string> used;
    std::vector<std::string> foreign = CheckReferences(sql);
    CheckSql(sql,
             {.service = repeatable_.service,
              .role = ScriptRole::kStep,
              .kind = StepKind::kTransactional,
              .references = &foreign},
             used, problems_);
    if (sql.script.is_opaque) {
      const int line = unread.empty() ? 0 : unread.front().line;
      const ParsedSql parsed(sql.script.text);
      Refuse(line, "REPEATABLE_UNREADABLE",
             "the parser of PostgreSQL 15 cannot read this" +
                 (parsed.ok() ? std::string() : " (" + parsed.message() + ")") +
                 "; what a repeatable definition creates has to be known before it is applied");
      return;
    }
    ReadStatements();
    if (repeatable_.objects.empty()) {
      Refuse(0, "REPEATABLE_EMPTY",
             "the file creates nothing; it may hold " + std::string(kAllowed));
    }
    CollectUses(sql);
  }

 private:
  void Refuse(int line, const char* code, std::string message) {
    problems_.push_back({file_, line, 0, code, std::move(message)});
  }

  // "-- after:" and "-- references:" in the comment lines at the top.
  void ReadHeader() {
    std::string_view left = repeatable_.script.text;
    for (int line = 1; !left.empty(); ++line) {
      const std::string_view text = left.substr(0, left.find('\n'));
      left.remove_prefix(std::min(left.size(), text.size() + 1));
      const std::size_t start = text.find_first_not_of(" \t\r");
      if (start == std::string_view::npos) continue;
      if (text.substr(start, 2) != "--") return;
      ReadHeaderLine(text.substr(start + 2), line);
    }
  }

  void ReadHeaderLine(std::string_view comment, int line) {
    const std::size_t start = comment.find_first_not_of(" \t");
    if (start == std::string_view::npos) return;
    comment.remove_prefix(start);
    constexpr std::string_view kAfter = "after:";
    constexpr std::string_view kReferences = "references:";
    const bool is_after = comment.starts_with(kAfter);
    if (!is_after && !comment.starts_with(kReferences)) return;
    comment.remove_prefix(is_after ? kAfter.size() : kReferences.size());
    if (is_after) result_.after_line = line;
    const char separator = is_after ? '/' : '.';
    std::string word;
    const auto take = [&] {
      if (word.empty()) return;
      const std::size_t at = word.find(separator);
      if (at == std::string::npos || at == 0 || at + 1 == word.size()) {
        Refuse(line, "REPEATABLE_HEADER",
               "\"" + word + "\" must be " +
                   (is_after ? "<service>/<name> of another repeatable definition"
                             : "<schema>.<name> of another owner's object"));
      } else {
        (is_after ? repeatable_.after : repeatable_.references).push_back(word);
      }
      word.clear();
    };
    for (const char c : comment) {
      if (c == ',' || std::isspace(static_cast<unsigned char>(c)) != 0) {
        take();
      } else {
        word += c;
      }
    }
    take();
  }

  // What belongs to others and is only read: refused unless it is declared.
  std::vector<std::string> CheckReferences(const ReadSql& sql) {
    std::vector<std::string> foreign;
    std::set<std::string> told;
    for (const Statement& statement : sql.statements) {
      for (const ObjectUse& use : statement.uses) {
        const std::string_view owner = OwnerOf(use.schema);
        if (use.access != ObjectUse::Access::kRead || use.name.empty() || owner.empty() ||
            owner == repeatable_.service) {
          continue;
        }
        const std::string name = use.qualified();
        foreign.push_back(name);
        if (std::ranges::find(repeatable_.references, name) != repeatable_.references.end() ||
            !told.insert(name).second) {
          continue;
        }
        Refuse(LineOf(sql.script.text, use.offset), "SQL_UNDECLARED_REFERENCE",
               name + " belongs to " + std::string(owner) +
                   "; declare it in a comment line at the top: -- references: " + name);
      }
    }
    return foreign;
  }

  void ReadStatements() {
    const ParsedSql parsed(repeatable_.script.text);
    const ParseTree tree(parsed.json());
    std::size_t n = 0;
    for (TreeNode item = tree.root()["stmts"].first(); !item.empty(); item = item.next(), ++n) {
      const int line = n < repeatable_.script.lines.size() ? repeatable_.script.lines[n] : 0;
      ReadStatement(item["stmt"].first(), line);
    }
  }

  void ReadStatement(TreeNode statement, int line) {
    if (auto object = CreatedBy(statement); object.has_value()) {
      AddObject(statement, *std::move(object), line);
      return;
    }
    if (statement.key() == "TransactionStmt") return;  // told by CheckSql
    const auto described = DescribedBy(statement);
    if (!described.has_value()) {
      Refuse(line, "REPEATABLE_STATEMENT",
             "a repeatable definition holds only " + std::string(kAllowed) +
                 "; everything else belongs into a revision");
      return;
    }
    for (const std::string& name : *described) {
      const bool is_own =
          std::any_of(repeatable_.objects.begin(), repeatable_.objects.end(),
                      [&](const RepeatableObject& object) { return object.name == name; });
      if (is_own) continue;
      Refuse(line, "REPEATABLE_STATEMENT",
             (name.empty() ? std::string("this") : name) +
                 " is not created above in this file; what belongs to another object stands with "
                 "it");
    }
  }

  void AddObject(TreeNode statement, RepeatableObject object, int line) {
    if (!statement["replace"].IsTrue()) {
      Refuse(line, "REPEATABLE_STATEMENT",
             "a " + object.kind +
                 " must be made with CREATE OR REPLACE: the text is applied again whenever it "
                 "changes");
    }
    if (statement["view"]["relpersistence"].raw() == "t") {
      Refuse(line, "REPEATABLE_STATEMENT", "a temporary view would be gone after the step");
    }
    if (object.identity.empty() && !object.name.empty()) {
      Refuse(line, "REPEATABLE_STATEMENT",
             "the arguments of " + object.name + " must name their types, not use %TYPE");
    }
    if (std::ranges::find(repeatable_.objects, object) != repeatable_.objects.end()) {
      Refuse(line, "REPEATABLE_OBJECT_TWICE", object.identity + " is created twice in this file");
    }
    repeatable_.objects.push_back(std::move(object));
  }

  void CollectUses(const ReadSql& sql) {
    std::set<std::string> uses;
    for (const Statement& statement : sql.statements) {
      for (const ObjectUse& use : statement.uses) {
        if (!use.schema.empty() && !use.name.empty()) uses.insert(use.qualified());
      }
    }
    for (const RepeatableObject& object : repeatable_.objects) uses.erase(object.name);
    result_.uses.assign(uses.begin(), uses.end());
  }

  ReadRepeatableResult& result_;
  Repeatable& repeatable_;
  const std::string file_;
  std::vector<Problem>& problems_;
};

}  // namespace

ReadRepeatableResult ReadRepeatable(std::string_view service, std::string_view name,
                                    std::string_view file, std::string_view text,
                                    std::vector<Problem>& problems) {
  ReadRepeatableResult result;
  result.repeatable.service = service;
  result.repeatable.name = name;
  Reader(result, file, problems).Read(text);
  return result;
}

std::vector<RepeatableObject> CreatedObjects(const Script& script) {
  std::vector<RepeatableObject> objects;
  if (script.is_opaque || script.text.empty()) return objects;
  const ParsedSql parsed(script.text);
  if (!parsed.ok()) return objects;
  const ParseTree tree(parsed.json());
  for (TreeNode item = tree.root()["stmts"].first(); !item.empty(); item = item.next()) {
    if (auto object = CreatedBy(item["stmt"].first()); object.has_value()) {
      objects.push_back(*std::move(object));
    }
  }
  return objects;
}

}  // namespace lockstep::migration
