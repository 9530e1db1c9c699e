// Rules about views and partitions: L05, N06, N07 and N11.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/migration/engine/lint/scene.h"

namespace lockstep::migration {
namespace {

void Replaced(Scene& scene, const std::string& view, std::string_view what) {
  // Without a catalog the view may be there; with one it is there when the model has it.
  if (!scene.IsThere(view)) return;
  if (scene.model().is_connected && scene.model().Find(view) == nullptr) return;
  scene.Report(
      "N06", LintLevel::kNote, view,
      absl::StrCat(std::string(what), " takes ACCESS EXCLUSIVE on ", view, ": its readers queue"));
}

bool HasCheck(const ModelTable* table) {
  return table != nullptr &&
         std::any_of(table->constraints.begin(), table->constraints.end(), [](const auto& have) {
           return have.kind == ModelConstraint::Kind::kCheck && have.is_validated;
         });
}

void CheckPartition(Scene& scene, TreeNode command) {
  const std::string_view subtype = command["subtype"].raw();
  const TreeNode partition = command["def"]["PartitionCmd"];
  const std::string parent = RelationName(scene.body()["relation"]);
  const std::string part = RelationName(partition["name"]);
  if (subtype == "AT_DetachPartition" && !partition["concurrent"].IsTrue()) {
    if (!scene.IsThere(parent)) return;
    scene.Report("L05", LintLevel::kError, parent,
                 absl::StrCat("DETACH PARTITION without CONCURRENTLY: nobody can use ", parent,
                              ", ", part, " or the default partition until it commits"));
  }
  if (subtype == "AT_AttachPartition" && scene.IsInUse(part) &&
      !HasCheck(scene.model().Find(part))) {
    scene.ReportWork("N07", part,
                     absl::StrCat("ATTACH PARTITION reads all of ", part,
                                  " under a lock, since no validated CHECK proves its bound"));
  }
}

}  // namespace

void CheckPartitions(Scene& scene) {
  const TreeNode body = scene.body();
  if (scene.node() == "CreateStmt" && body.Has("partbound")) {
    for (TreeNode item = body["inhRelations"].first(); !item.empty(); item = item.next()) {
      const std::string parent = RelationName(item["RangeVar"]);
      if (!scene.IsInUse(parent)) continue;
      scene.Report("N07", LintLevel::kWarning, parent,
                   absl::StrCat("PARTITION OF takes ACCESS EXCLUSIVE on ", parent,
                                " and on its default partition; create the table alone, then "
                                "attach it"));
    }
  }
  // Attaching an index reads nothing.
  if (body["objtype"].raw() == "OBJECT_INDEX") return;
  ForEachCommand(body, [&](TreeNode command) { CheckPartition(scene, command); });
}

void CheckViews(Scene& scene) {
  const TreeNode body = scene.body();
  const std::string_view node = scene.node();
  if (node == "ViewStmt" && body["replace"].IsTrue()) {
    Replaced(scene, RelationName(body["view"]), "CREATE OR REPLACE VIEW");
  } else if (node == "RenameStmt" && body["renameType"].raw() == "OBJECT_VIEW") {
    Replaced(scene, RelationName(body["relation"]), "ALTER VIEW RENAME");
  } else if (node == "AlterObjectSchemaStmt" && body["objectType"].raw() == "OBJECT_VIEW") {
    Replaced(scene, RelationName(body["relation"]), "ALTER VIEW SET SCHEMA");
  } else if (node == "AlterTableStmt" && body["objtype"].raw() == "OBJECT_VIEW") {
    Replaced(scene, RelationName(body["relation"]), "ALTER VIEW");
  } else if (node == "RefreshMatViewStmt") {
    const std::string view = RelationName(body["relation"]);
    if (!scene.IsThere(view)) return;
    const bool is_concurrent = body["concurrent"].IsTrue();
    scene.Report("N11", is_concurrent ? LintLevel::kNote : LintLevel::kWarning, view,
                 is_concurrent ? absl::StrCat("REFRESH CONCURRENTLY takes EXCLUSIVE on ", view,
                                              " and needs a unique index over all of its rows")
                               : absl::StrCat("REFRESH without CONCURRENTLY: nobody can read ",
                                              view, " until it is computed"));
  }
}

}  // namespace lockstep::migration
