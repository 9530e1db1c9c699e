// Rules about whole objects: L06, L19, L21, L23, L26, L27, N03, N09 and N10.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/migration/engine/lint/scene.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

void CheckRewrite(Scene& scene) {
  ForEachCommand(scene.body(), [&](TreeNode command) {
    const std::string table = RelationName(scene.body()["relation"]);
    if (!scene.IsInUse(table) ||
        !IsIn(command["subtype"].raw(),
              {"AT_SetLogged", "AT_SetUnLogged", "AT_SetTableSpace", "AT_SetAccessMethod"})) {
      return;
    }
    scene.ReportWork("L06", table, "this writes the table anew while nobody can use it");
  });
  if (scene.node() == "ClusterStmt") {
    const std::string table = RelationName(scene.body()["relation"]);
    if (!table.empty() && !scene.IsInUse(table)) return;
    scene.ReportWork("L06", table, "CLUSTER writes the table anew while nobody can use it");
    return;
  }
  if (scene.node() != "VacuumStmt" || !HasOption(scene.body()["options"], "full")) return;
  if (!scene.body().Has("rels")) {
    scene.Report("L06", LintLevel::kError, "",
                 "VACUUM FULL writes every table anew while nobody can use it");
  }
  for (TreeNode item = scene.body()["rels"].first(); !item.empty(); item = item.next()) {
    const std::string table = RelationName(item["VacuumRelation"]["relation"]);
    if (!scene.IsInUse(table)) continue;
    scene.ReportWork("L06", table, "VACUUM FULL writes the table anew while nobody can use it");
  }
}

void CheckRename(Scene& scene) {
  if (scene.IsDown()) return;
  const TreeNode body = scene.body();
  const std::string_view type = body["renameType"].raw();
  const std::string relation = RelationName(body["relation"]);
  const std::string from = body["subname"].text();
  const auto report = [&](const std::string& object, std::string_view what) {
    scene.Report("L19", LintLevel::kWarning, object,
                 absl::StrCat("whoever still uses the ", std::string(what), " ", object,
                              " by its old name fails"));
  };
  if (IsIn(type, {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"})) {
    if (scene.IsThere(relation)) report(relation, type == "OBJECT_TABLE" ? "table" : "view");
  } else if (IsIn(type, {"OBJECT_COLUMN", "OBJECT_ATTRIBUTE"})) {
    if (scene.IsThere(relation) && !scene.IsNewColumn(relation, from)) {
      report(absl::StrCat(relation, ".", from), "column");
    }
  } else if (type == "OBJECT_SCHEMA") {
    report(from, "schema");
  } else if (IsIn(type, {"OBJECT_TYPE", "OBJECT_DOMAIN"})) {
    report(NameOfList(body["object"]["List"]["items"]), "type");
  } else if (IsIn(type, {"OBJECT_FUNCTION", "OBJECT_PROCEDURE"})) {
    report(NameOfList(body["object"]["ObjectWithArgs"]["objname"]), "function");
  }
}

void CheckMoved(Scene& scene) {
  if (scene.IsDown() || !scene.body().Has("relation")) return;
  const std::string relation = RelationName(scene.body()["relation"]);
  if (!scene.IsThere(relation)) return;
  scene.Report("L19", LintLevel::kWarning, relation,
               absl::StrCat("whoever still looks for ", relation, " in its old schema fails"));
}

void CheckDrop(Scene& scene) {
  const TreeNode body = scene.body();
  const std::string_view type = body["removeType"].raw();
  const bool cascades = body["behavior"].raw() == "DROP_CASCADE";
  if (cascades) {
    scene.Report("L23", LintLevel::kWarning, "",
                 "CASCADE takes along whatever depends on it, unseen; name it and drop it first");
  }
  ForEachDropped(body, [&](const std::string& name) {
    if (!IsIn(type, {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE", "OBJECT_SCHEMA"})) return;
    if (scene.MayTakeAway() || (type != "OBJECT_SCHEMA" && !scene.IsThere(name))) return;
    scene.Report("L21", LintLevel::kError, name,
                 absl::StrCat("dropping ", type == "OBJECT_SCHEMA" ? "schema " : "", name,
                              " breaks whoever still uses it, and its data is gone; it belongs "
                              "into a CONTRACT revision"));
  });
}

// What the live catalog says that CASCADE would take from another owner.
void CheckCascade(Scene& scene, const std::string& relation) {
  const ModelTable* const known = scene.model().Find(relation);
  if (known == nullptr) return;
  const std::string_view owner = OwnerOf(relation.substr(0, relation.find('.')));
  for (const ModelDependent& dependent : known->dependents) {
    if (dependent.service.empty() || dependent.service == owner) continue;
    scene.Report("N03", LintLevel::kError, dependent.name,
                 absl::StrCat("CASCADE takes the ", dependent.is_view ? "view " : "foreign key of ",
                              dependent.name, ", which ", dependent.service, " owns"));
  }
}

void CheckCascades(Scene& scene) {
  const TreeNode body = scene.body();
  if (scene.node() == "DropStmt" && body["behavior"].raw() == "DROP_CASCADE") {
    ForEachDropped(body, [&](const std::string& name) { CheckCascade(scene, name); });
  }
  if (scene.node() == "TruncateStmt" && body["behavior"].raw() == "DROP_CASCADE") {
    scene.Report("L23", LintLevel::kWarning, "",
                 "CASCADE empties every table with a foreign key to it, unseen; name them all");
  }
  ForEachCommand(body, [&](TreeNode command) {
    const std::string_view subtype = command["subtype"].raw();
    if (command["behavior"].raw() != "DROP_CASCADE") return;
    if (!IsIn(subtype, {"AT_DropColumn", "AT_DropConstraint"})) return;
    const std::string relation = RelationName(body["relation"]);
    scene.Report("L23", LintLevel::kWarning, relation,
                 "CASCADE takes along whatever depends on it, unseen; name it and drop it first");
    CheckCascade(scene, relation);
  });
}

void CheckDomain(Scene& scene) {
  const TreeNode body = scene.body();
  if (scene.node() == "CreateDomainStmt") {
    const std::string name = NameOfList(body["domainname"]);
    for (TreeNode item = body["constraints"].first(); !item.empty(); item = item.next()) {
      if (!IsIn(item["Constraint"]["contype"].raw(), {"CONSTR_CHECK", "CONSTR_NOTNULL"})) continue;
      scene.Report("L26", LintLevel::kWarning, name,
                   absl::StrCat("a column of domain ", name,
                                " that is added later rewrites its "
                                "table, and changing the constraint reads every table that uses "
                                "it"));
      return;
    }
    return;
  }
  const std::string name = NameOfList(body["typeName"]);
  const std::string_view subtype = body["subtype"].raw();
  const bool adds = subtype == "C" && !body["def"]["Constraint"]["skip_validation"].IsTrue();
  if (!adds && subtype != "O") return;
  // A domain that the plan made has no columns that others use.
  if (scene.model().IsConstrainedDomain(name).has_value() && !scene.model().is_connected) return;
  scene.Report("L26", LintLevel::kError, name,
               absl::StrCat("every table with a column of domain ", name,
                            " is read while its writers wait"));
}

void CheckEnum(Scene& scene) {
  const TreeNode body = scene.body();
  const std::string name = NameOfList(body["typeName"]);
  if (body.Has("oldVal")) {
    scene.Report(
        "L27", LintLevel::kWarning, name,
        absl::StrCat("whoever still writes or compares '", body["oldVal"].text(), "' fails"));
  } else if (!body.Has("newValNeighbor")) {
    scene.Report("L27", LintLevel::kNote, name,
                 "without BEFORE or AFTER the value sorts last, and a value cannot be removed");
  }
}

void Strong(Scene& scene, const std::string& relation, std::string_view what,
            std::string_view mode) {
  if (!scene.IsInUse(relation)) return;
  scene.Report("N09", LintLevel::kNote, relation,
               absl::StrCat(std::string(what), " takes ", std::string(mode), " on ", relation));
}

std::string_view StrongCommand(std::string_view subtype) {
  if (IsIn(subtype, {"AT_EnableRowSecurity", "AT_DisableRowSecurity", "AT_ForceRowSecurity",
                     "AT_NoForceRowSecurity"})) {
    return "switching row level security";
  }
  if (subtype == "AT_ChangeOwner") return "OWNER TO";
  if (subtype == "AT_ReplicaIdentity") return "REPLICA IDENTITY";
  if (subtype == "AT_SetStorage") return "SET STORAGE";
  if (subtype == "AT_SetCompression") return "SET COMPRESSION";
  return "";
}

void CheckStrongForms(Scene& scene) {
  constexpr std::string_view kClosed = "ACCESS EXCLUSIVE";
  constexpr std::string_view kWriters = "SHARE ROW EXCLUSIVE";
  const TreeNode body = scene.body();
  const std::string_view node = scene.node();
  const std::string relation = RelationName(body["relation"]);
  if (IsIn(node, {"CreatePolicyStmt", "AlterPolicyStmt"})) {
    Strong(scene, RelationName(body["table"]),
           node == "CreatePolicyStmt" ? "CREATE POLICY" : "ALTER POLICY", kClosed);
  } else if (node == "RuleStmt") {
    Strong(scene, relation, "CREATE RULE", kClosed);
  } else if (node == "CreateTrigStmt") {
    Strong(scene, relation, "CREATE TRIGGER", kWriters);
  } else if (node == "RenameStmt" && body["renameType"].raw() == "OBJECT_TRIGGER") {
    Strong(scene, relation, "renaming a trigger", kClosed);
  } else if (node == "DropStmt") {
    const std::string_view type = body["removeType"].raw();
    if (!IsIn(type, {"OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"})) return;
    for (TreeNode item = body["objects"].first(); !item.empty(); item = item.next()) {
      Strong(scene, NameOfList(item["List"]["items"], 1), scene.statement().tag, kClosed);
    }
  }
  ForEachCommand(body, [&](TreeNode command) {
    const std::string_view subtype = command["subtype"].raw();
    const std::string_view what = StrongCommand(subtype);
    if (!what.empty()) Strong(scene, relation, what, kClosed);
    if (subtype.find("Trig") != std::string_view::npos) {
      Strong(scene, relation, "switching a trigger", kWriters);
    }
  });
}

void CheckGrant(Scene& scene) {
  const TreeNode body = scene.body();
  if (body["targtype"].raw() == "ACL_TARGET_ALL_IN_SCHEMA") {
    scene.Report("N10", LintLevel::kNote, "",
                 "ALL .. IN SCHEMA changes many rows of the catalog without a lock: it fails when "
                 "somebody else grants at the same time; name the objects");
  }
  if (body["is_grant"].IsTrue() || scene.MayTakeAway()) return;
  for (TreeNode item = body["objects"].first(); !item.empty(); item = item.next()) {
    const std::string relation = RelationName(item["RangeVar"]);
    if (relation.empty() || !scene.IsThere(relation)) continue;
    scene.Report("N10", LintLevel::kNote, relation,
                 absl::StrCat("REVOKE takes no lock: what runs goes on, and the next statement of "
                              "whoever uses ",
                              relation, " fails"));
  }
}

}  // namespace

void CheckObjects(Scene& scene) {
  const std::string_view node = scene.node();
  CheckRewrite(scene);
  CheckCascades(scene);
  CheckStrongForms(scene);
  if (node == "RenameStmt") CheckRename(scene);
  if (node == "AlterObjectSchemaStmt") CheckMoved(scene);
  if (node == "DropStmt") CheckDrop(scene);
  if (node == "DropdbStmt") {
    scene.Report("L21", LintLevel::kError, scene.body()["dbname"].text(),
                 "DROP DATABASE: no migration takes a whole database away");
  }
  if (node == "DropOwnedStmt") {
    scene.Report(
        "L21", LintLevel::kError, "",
        "DROP OWNED takes everything of a role away, tables with their data included; name "
        "what goes");
  }
  if (IsIn(node, {"CreateDomainStmt", "AlterDomainStmt"})) CheckDomain(scene);
  if (node == "AlterEnumStmt") CheckEnum(scene);
  if (node == "GrantStmt") CheckGrant(scene);
}

}  // namespace lockstep::migration
