// Rules about constraints: L07, L08, L10 to L12, L17, L40, L42, N01, N02 and N04.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/migration/engine/lint/scene.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

std::string SchemaOf(std::string_view qualified) {
  return std::string(qualified.substr(0, qualified.find('.')));
}

// A foreign key between two columns: what it asks of the table that it points to.
// `is_new`: of a new table, or over a new column.
void CheckReference(Scene& scene, const std::string& table, TreeNode constraint, bool is_new) {
  const std::string parent = RelationName(constraint["pktable"]);
  if (parent.empty() || parent == table || !scene.IsThere(parent)) return;
  // Where all rows of the child are checked L08 says it.
  if (is_new || !scene.IsInUse(table)) {
    scene.Report("N02", LintLevel::kWarning, parent,
                 absl::StrCat("a foreign key to ", parent,
                              " takes SHARE ROW EXCLUSIVE on it: its "
                              "writers wait, although there is nothing to check"),
                 constraint);
  }
  const std::string owner(OwnerOf(SchemaOf(parent)));
  const std::string_view own = scene.unit().revision != nullptr
                                   ? std::string_view(scene.unit().revision->service)
                                   : OwnerOf(SchemaOf(table));
  if (!owner.empty() && !own.empty() && owner != own) {
    scene.Report("N04", LintLevel::kWarning, parent,
                 absl::StrCat("the foreign key blocks writers of ", parent, ", which ", owner,
                              " owns, for as long as its transaction lasts"),
                 constraint);
  }
}

// What is compared without a cast.
std::string Family(const std::string& type) {
  const std::string bare = type.substr(0, type.find('('));
  return bare == "varchar" ? "text" : bare;
}

// Where both types are known.
void CheckTypes(Scene& scene, TreeNode constraint, const std::vector<std::string>& types) {
  const std::string parent = RelationName(constraint["pktable"]);
  const ModelTable* const known = scene.model().Find(parent);
  if (known == nullptr) return;
  std::vector<std::string> keys = NamesIn(constraint["pk_attrs"]);
  if (keys.empty()) keys = known->primary_key;
  for (std::size_t i = 0; i < std::min(keys.size(), types.size()); ++i) {
    const ModelColumn* const referenced = scene.Column(parent, keys[i]);
    if (referenced == nullptr || types[i].empty() || Family(referenced->type) == Family(types[i])) {
      continue;
    }
    scene.Report("L40", LintLevel::kWarning, parent,
                 absl::StrCat("the column is ", types[i], " and ", parent, ".", keys[i], " is ",
                              referenced->type, ": comparisons cast, and indexes may not be used"),
                 constraint);
  }
}

std::string PlainType(const std::string& type) {
  if (type == "serial" || type == "serial4") return "int4";
  if (type == "bigserial" || type == "serial8") return "int8";
  if (type == "smallserial" || type == "serial2") return "int2";
  return type;
}

void CheckTableReference(Scene& scene, const std::string& table, TreeNode constraint,
                         TreeNode elements) {
  if (constraint["contype"].raw() != "CONSTR_FOREIGN") return;
  CheckReference(scene, table, constraint, scene.node() == "CreateStmt");
  std::vector<std::string> types;
  for (const std::string& column : NamesIn(constraint["fk_attrs"])) {
    std::string type;
    if (const ModelColumn* const known = scene.Column(table, column)) type = known->type;
    for (TreeNode item = elements.first(); !item.empty(); item = item.next()) {
      const TreeNode definition = item["ColumnDef"];
      if (definition["colname"].text() == column) {
        type = PlainType(TypeText(definition["typeName"]));
      }
    }
    types.push_back(std::move(type));
  }
  CheckTypes(scene, constraint, types);
}

void CheckColumnReferences(Scene& scene, const std::string& table, TreeNode definition) {
  for (TreeNode item = definition["constraints"].first(); !item.empty(); item = item.next()) {
    if (item["Constraint"]["contype"].raw() != "CONSTR_FOREIGN") continue;
    CheckReference(scene, table, item["Constraint"], true);
    CheckTypes(scene, item["Constraint"], {PlainType(TypeText(definition["typeName"]))});
  }
}

void CheckCreateTable(Scene& scene) {
  const std::string table = RelationName(scene.body()["relation"]);
  const TreeNode elements = scene.body()["tableElts"];
  for (TreeNode item = elements.first(); !item.empty(); item = item.next()) {
    if (item.Has("ColumnDef")) CheckColumnReferences(scene, table, item["ColumnDef"]);
    if (item.Has("Constraint")) {
      CheckTableReference(scene, table, item["Constraint"], elements);
    }
  }
}

void CheckAdded(Scene& scene, const std::string& table, TreeNode constraint) {
  CheckTableReference(scene, table, constraint, {});
  if (!scene.IsInUse(table)) return;
  const std::string_view kind = constraint["contype"].raw();
  const bool is_unchecked = constraint["skip_validation"].IsTrue();
  const bool uses_index = constraint.Has("indexname");
  if (kind == "CONSTR_CHECK" && !is_unchecked) {
    scene.ReportWork("L07", table,
                     absl::StrCat("ADD CHECK without NOT VALID reads all of ", table,
                                  " while nobody can use it"),
                     constraint);
  } else if (kind == "CONSTR_FOREIGN" && !is_unchecked) {
    scene.ReportWork(
        "L08", table,
        absl::StrCat("ADD FOREIGN KEY without NOT VALID: writers of ", table, " and ",
                     RelationName(constraint["pktable"]), " wait until every row is checked"),
        constraint);
  } else if (kind == "CONSTR_UNIQUE" && !uses_index) {
    scene.ReportWork("L10", table,
                     absl::StrCat("ADD UNIQUE builds its index while nobody can use ", table),
                     constraint);
    scene.Report("L42", LintLevel::kNote, table, "it fails when rows that are there repeat a value",
                 constraint);
  } else if (kind == "CONSTR_PRIMARY" && !uses_index) {
    scene.ReportWork("L11", table,
                     absl::StrCat("ADD PRIMARY KEY builds its index while nobody can use ", table),
                     constraint);
  } else if (kind == "CONSTR_EXCLUSION") {
    scene.ReportWork("L12", table,
                     absl::StrCat("ADD EXCLUDE builds its index while nobody can use ", table,
                                  ", and has no form that does not"),
                     constraint);
  }
}

void CheckAddedColumn(Scene& scene, const std::string& table, TreeNode definition) {
  CheckColumnReferences(scene, table, definition);
  if (!scene.IsInUse(table)) return;
  bool has_default = false;
  TreeNode checked;
  for (TreeNode item = definition["constraints"].first(); !item.empty(); item = item.next()) {
    has_default = has_default || item["Constraint"]["contype"].raw() == "CONSTR_DEFAULT";
  }
  for (TreeNode item = definition["constraints"].first(); !item.empty(); item = item.next()) {
    const std::string_view kind = item["Constraint"]["contype"].raw();
    if (IsIn(kind, {"CONSTR_CHECK", "CONSTR_UNIQUE", "CONSTR_PRIMARY"}) ||
        (kind == "CONSTR_FOREIGN" && has_default)) {
      checked = item["Constraint"];
    }
  }
  if (checked.empty()) return;
  scene.ReportWork("L17", table,
                   absl::StrCat("a constraint on the new column reads all of ", table,
                                " while nobody can use it, even where the column is all NULL"),
                   checked);
}

bool LooksLikeForeignKey(std::string_view name) {
  return name.find("fkey") != std::string_view::npos || name.starts_with("fk_") ||
         name.ends_with("_fk");
}

void CheckDroppedConstraint(Scene& scene, const std::string& table, TreeNode command) {
  if (!scene.IsThere(table)) return;
  const std::string name = command["name"].text();
  const ModelTable* const known = scene.model().Find(table);
  std::string parent;
  bool is_foreign = LooksLikeForeignKey(name);
  if (known != nullptr) {
    for (const ModelConstraint& have : known->constraints) {
      if (have.name != name) continue;
      is_foreign = have.kind == ModelConstraint::Kind::kForeign;
      parent = have.referenced;
    }
  }
  if (!is_foreign || (!parent.empty() && !scene.IsThere(parent))) return;
  scene.Report("N01", LintLevel::kWarning, parent.empty() ? table : parent,
               absl::StrCat("dropping the foreign key ", name, " takes ACCESS EXCLUSIVE on ",
                            parent.empty() ? "the referenced table" : parent, " as well"));
  scene.Report("L42", LintLevel::kNote, table,
               absl::StrCat("without ", name, " nothing keeps rows from pointing nowhere"));
}

void CheckDroppedTable(Scene& scene, const std::string& table) {
  const ModelTable* const known = scene.model().Find(table);
  if (known == nullptr || known->is_new) return;
  std::set<std::string> parents;
  for (const ModelConstraint& have : known->constraints) {
    if (have.kind == ModelConstraint::Kind::kForeign && have.referenced != table &&
        scene.IsThere(have.referenced)) {
      parents.insert(have.referenced);
    }
  }
  for (const std::string& parent : parents) {
    scene.Report("N01", LintLevel::kWarning, parent,
                 absl::StrCat("dropping ", table, " takes ACCESS EXCLUSIVE on ", parent,
                              ", to which it has a foreign key"));
  }
  if (parents.size() > 1) {
    scene.Report("L38", LintLevel::kWarning, table,
                 absl::StrCat("dropping ", table, " locks ", parents.size(),
                              " other tables at once; drop its foreign keys one by one first"));
  }
}

}  // namespace

void CheckConstraints(Scene& scene) {
  const TreeNode body = scene.body();
  const std::string_view node = scene.node();
  if (node == "CreateStmt") CheckCreateTable(scene);
  if (node == "IndexStmt" && body["unique"].IsTrue()) {
    const std::string table = RelationName(body["relation"]);
    if (scene.IsInUse(table)) {
      scene.Report("L42", LintLevel::kNote, table,
                   "it fails when rows that are there repeat a value");
    }
  }
  if (node == "DropStmt" && body["removeType"].raw() == "OBJECT_TABLE") {
    ForEachDropped(body, [&](const std::string& table) { CheckDroppedTable(scene, table); });
  }
  const std::string table = RelationName(body["relation"]);
  if (table.empty() || body["objtype"].raw() == "OBJECT_INDEX") return;
  ForEachCommand(body, [&](TreeNode command) {
    const std::string_view subtype = command["subtype"].raw();
    if (subtype == "AT_AddConstraint") CheckAdded(scene, table, command["def"]["Constraint"]);
    if (subtype == "AT_AddColumn") CheckAddedColumn(scene, table, command["def"]["ColumnDef"]);
    if (subtype == "AT_DropConstraint") CheckDroppedConstraint(scene, table, command);
  });
}

}  // namespace lockstep::migration
