// Rules about names and types: L25, L32 to L35, N12, N20 and M08.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/migration/engine/default_expression.h"
#include "services/migration/engine/lint/scene.h"

namespace lockstep::migration {
namespace {

// What PostgreSQL keeps of a name.
constexpr std::size_t kNameBytes = 63;

bool IsKey(TreeNode definition, const std::set<std::string>& key) {
  for (TreeNode item = definition["constraints"].first(); !item.empty(); item = item.next()) {
    const std::string_view kind = item["Constraint"]["contype"].raw();
    if (kind == "CONSTR_PRIMARY" || kind == "CONSTR_IDENTITY") return true;
  }
  return key.contains(definition["colname"].text());
}

std::string TypeAdvice(const std::string& type, bool is_key) {
  if (type.starts_with("bpchar")) return "char(n) pads with blanks: use text with a CHECK";
  if (type.starts_with("varchar(")) {
    return "making varchar(n) shorter rewrites the table later: use text with a CHECK";
  }
  if (type.starts_with("timestamp") && !type.starts_with("timestamptz")) {
    return "timestamp loses the offset: use timestamptz";
  }
  if (IsSerial(type)) return "serial leaves a loose sequence with rights of its own: use identity";
  if (is_key && IsIn(type, {"int4", "int2"})) {
    return "a key of this type overflows one day, and making it wider rewrites the table: use "
           "bigint";
  }
  return "";
}

void CheckColumn(Scene& scene, const std::string& table, TreeNode definition,
                 const std::set<std::string>& key) {
  const std::string type = TypeText(definition["typeName"]);
  const std::string name = table + "." + definition["colname"].text();
  if (type == "json") {
    scene.Report("L25", LintLevel::kWarning, table,
                 absl::StrCat(name,
                              " is json, which has no equality: DISTINCT, GROUP BY and "
                              "EXCEPT fail; use jsonb"),
                 definition);
  }
  const std::string advice = TypeAdvice(type, IsKey(definition, key));
  if (!advice.empty()) {
    scene.Report("L32", LintLevel::kNote, table, absl::StrCat(name, ": ", advice), definition);
  }
}

// The name that PostgreSQL makes up for a constraint without one.
void CheckMadeUpName(Scene& scene, const std::string& table, TreeNode constraint,
                     const std::string& column) {
  const std::string_view kind = constraint["contype"].raw();
  if (constraint.Has("conname") ||
      !IsIn(kind, {"CONSTR_UNIQUE", "CONSTR_FOREIGN", "CONSTR_CHECK"})) {
    return;
  }
  std::vector<std::string> columns =
      NamesIn(constraint[kind == "CONSTR_FOREIGN" ? "fk_attrs" : "keys"]);
  if (columns.empty() && !column.empty()) columns.push_back(column);
  const std::string_view suffix = kind == "CONSTR_UNIQUE"    ? "key"
                                  : kind == "CONSTR_FOREIGN" ? "fkey"
                                                             : "check";
  const std::string made = absl::StrCat(table.substr(table.find('.') + 1), "_",
                                        absl::StrJoin(columns, "_"), "_", std::string(suffix));
  if (made.size() <= kNameBytes) return;
  scene.Report("L33", LintLevel::kWarning, table,
               absl::StrCat("PostgreSQL cuts the name that it makes up for this constraint (", made,
                            "); give it one of at most 63 bytes"),
               constraint);
}

void CheckDefinition(Scene& scene, const std::string& table, TreeNode definition,
                     const std::set<std::string>& key) {
  CheckColumn(scene, table, definition, key);
  for (TreeNode item = definition["constraints"].first(); !item.empty(); item = item.next()) {
    CheckMadeUpName(scene, table, item["Constraint"], definition["colname"].text());
  }
}

void CheckCreateTable(Scene& scene) {
  const TreeNode elements = scene.body()["tableElts"];
  const std::string table = RelationName(scene.body()["relation"]);
  if (table.empty()) return;
  std::set<std::string> key;
  for (TreeNode item = elements.first(); !item.empty(); item = item.next()) {
    if (item["Constraint"]["contype"].raw() != "CONSTR_PRIMARY") continue;
    for (std::string& column : NamesIn(item["Constraint"]["keys"])) key.insert(std::move(column));
  }
  for (TreeNode item = elements.first(); !item.empty(); item = item.next()) {
    if (item.Has("ColumnDef")) CheckDefinition(scene, table, item["ColumnDef"], key);
    if (item.Has("Constraint")) CheckMadeUpName(scene, table, item["Constraint"], "");
  }
}

void CheckQualified(Scene& scene) {
  if (!scene.IsPlain()) return;
  for (const ObjectUse& use : scene.statement().uses) {
    if (!use.is_relation || !use.schema.empty() || use.name.starts_with("pg_")) continue;
    scene.ReportAt(use.offset, "L34", LintLevel::kNote, use.name,
                   absl::StrCat(use.name,
                                " has no schema: the search_path of whoever runs this "
                                "decides which one is meant"));
  }
}

void CheckAssignments(Scene& scene) {
  const std::string_view node = scene.node();
  if (node != "UpdateStmt" && node != "InsertStmt") return;
  std::set<std::string> seen;
  const TreeNode list = scene.body()[node == "UpdateStmt" ? "targetList" : "cols"];
  for (TreeNode item = list.first(); !item.empty(); item = item.next()) {
    const TreeNode target = item["ResTarget"];
    // One element of an array, or one field of a row, may be set beside another.
    if (target.Has("indirection") || seen.insert(target["name"].text()).second) continue;
    scene.Report("L35", LintLevel::kError, target["name"].text(),
                 absl::StrCat("column ", target["name"].text(),
                              " is assigned twice: PostgreSQL refuses it at run time"),
                 target);
  }
}

void CheckAdvisoryLocks(Scene& scene) {
  if (!scene.NamesAdvisoryLocks()) return;
  ForEachNode(scene.body(), "FuncCall", [&](TreeNode call) {
    const std::vector<std::string> name = NamesIn(call["funcname"]);
    if (name.empty() ||
        !IsIn(name.back(), {"pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_xact_lock",
                            "pg_advisory_xact_lock_shared"})) {
      return;
    }
    scene.Report("N12", LintLevel::kWarning, "",
                 absl::StrCat(name.back(),
                              " waits inside a transaction: a concurrent index build "
                              "waits for it, and the two can deadlock; try and retry instead"),
                 call);
  });
}

void CheckSetOperations(Scene& scene, TreeNode node) {
  const std::string_view operation = node["op"].raw();
  if (IsIn(operation, {"SETOP_EXCEPT", "SETOP_INTERSECT"}) && !node["all"].IsTrue()) {
    scene.Report("N20", LintLevel::kNote, "",
                 "without ALL duplicates vanish, and a row too many or too few is not seen; json "
                 "columns fail, volatile functions differ each time");
  }
  for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
    CheckSetOperations(scene, child);
  }
}

bool PublishesSchemas(TreeNode body) {
  for (TreeNode item = body["pubobjects"].first(); !item.empty(); item = item.next()) {
    if (item["PublicationObjSpec"]["pubobjtype"].raw().starts_with("PUBLICATIONOBJ_TABLES_IN")) {
      return true;
    }
  }
  return false;
}

// What the statement needs, and since which version it is there.
struct Need {
  int version = 0;
  std::string_view what;
};

Need NeedOfCommand(TreeNode command) {
  const std::string_view subtype = command["subtype"].raw();
  const TreeNode constraint = command["def"]["Constraint"];
  if (constraint["nulls_not_distinct"].IsTrue()) return {15, "NULLS NOT DISTINCT"};
  if (subtype == "AT_SetCompression") return {14, "SET COMPRESSION"};
  if (subtype == "AT_DetachPartition" && command["def"]["PartitionCmd"]["concurrent"].IsTrue()) {
    return {14, "DETACH PARTITION CONCURRENTLY"};
  }
  return {};
}

Need NeedOf(TreeNode body) {
  const std::string_view node = body.key();
  if (node == "MergeStmt") return {15, "MERGE"};
  if (body["nulls_not_distinct"].IsTrue()) return {15, "NULLS NOT DISTINCT"};
  if (node == "ViewStmt" && HasOption(body["options"], "security_invoker")) {
    return {15, "the view option security_invoker"};
  }
  if (node == "CreatePublicationStmt" && PublishesSchemas(body)) {
    return {15, "FOR TABLES IN SCHEMA"};
  }
  if (node == "CreateTrigStmt" && body["replace"].IsTrue()) {
    return {14, "CREATE OR REPLACE TRIGGER"};
  }
  Need need;
  ForEachCommand(body, [&](TreeNode command) {
    const Need found = NeedOfCommand(command);
    if (found.version > need.version) need = found;
  });
  return need;
}

}  // namespace

void CheckServerVersion(Scene& scene) {
  const int version = scene.model().server_version / 10'000;
  const Need need = NeedOf(scene.body());
  if (version == 0 || need.version <= version) return;
  scene.Report("M08", LintLevel::kError, "",
               absl::StrCat(std::string(need.what), " needs PostgreSQL ", need.version,
                            "; the server is ", version));
}

void CheckStyle(Scene& scene) {
  if (scene.node() == "CreateStmt") CheckCreateTable(scene);
  const std::string table = RelationName(scene.body()["relation"]);
  ForEachCommand(scene.body(), [&](TreeNode command) {
    if (table.empty()) return;
    if (command["subtype"].raw() == "AT_AddColumn") {
      CheckDefinition(scene, table, command["def"]["ColumnDef"], {});
    } else if (command["subtype"].raw() == "AT_AddConstraint") {
      CheckMadeUpName(scene, table, command["def"]["Constraint"], "");
    }
  });
  CheckQualified(scene);
  CheckAssignments(scene);
  CheckAdvisoryLocks(scene);
  if (scene.unit().role == LintRole::kCheck) CheckSetOperations(scene, scene.body());
}

}  // namespace lockstep::migration
