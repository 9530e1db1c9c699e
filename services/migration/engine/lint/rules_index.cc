// Rules about indexes: L01 to L04, L36, L43, N08 and N14.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/migration/engine/lint/scene.h"

namespace lockstep::migration {
namespace {

// Servers before 14.4 could leave rows out of an index that they built beside writers.
void CheckCorruption(Scene& scene, std::string_view table) {
  const int version = scene.model().server_version;
  if (version < 140'000 || version >= 140'004) return;
  scene.Report("L43", LintLevel::kError, table,
               absl::StrCat("PostgreSQL 14.", version % 100,
                            " can leave rows out of an index that it builds beside writers; "
                            "update the server to 14.4 or later first"));
}

// Whether `shorter` is how `longer` begins.
bool IsPrefix(const std::vector<std::string>& shorter, const std::vector<std::string>& longer) {
  return shorter.size() <= longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

void CheckShape(Scene& scene, const std::string& table) {
  const TreeNode body = scene.body();
  std::vector<std::string> columns;
  bool has_expression = false;
  for (TreeNode item = body["indexParams"].first(); !item.empty(); item = item.next()) {
    columns.push_back(item["IndexElem"]["name"].text());
    has_expression = has_expression || columns.back().empty();
  }
  const bool is_unique = body["unique"].IsTrue();
  const auto report = [&](std::string message) {
    scene.Report("L36", LintLevel::kNote, table, std::move(message));
  };
  if (body["accessMethod"].raw() == "hash") {
    report("a hash index serves equality only; a B-tree does that as well and more");
  }
  if (!is_unique && columns.size() > 3) {
    report(absl::StrCat("an index over ", columns.size(),
                        " columns costs every write and serves few queries"));
  }
  if (has_expression) return;
  if (std::set<std::string>(columns.begin(), columns.end()).size() < columns.size()) {
    report("a column stands twice in the index");
  }
  const ModelTable* const known = scene.model().Find(table);
  if (known == nullptr || body.Has("whereClause")) return;
  for (const ModelIndex& have : known->indexes) {
    if (have.is_partial || have.name == body["idxname"].text()) continue;
    if (!is_unique && IsPrefix(columns, have.columns)) {
      report(absl::StrCat("index ", have.name, " begins with the same columns and serves as well"));
      return;
    }
    if (!have.is_unique && IsPrefix(have.columns, columns)) {
      report(absl::StrCat("it makes index ", have.name, " redundant: drop that one afterwards"));
      return;
    }
  }
}

void CheckCreate(Scene& scene) {
  const TreeNode body = scene.body();
  const std::string table = RelationName(body["relation"]);
  if (table.empty()) return;
  const bool is_concurrent = body["concurrent"].IsTrue();
  const ModelTable* const known = scene.model().Find(table);
  const bool is_ordinary =
      known != nullptr && known->knows_everything && known->kind == ModelTable::Kind::kTable;
  // ON ONLY of a partitioned table builds nothing.
  const bool is_only = !body["relation"]["inh"].IsTrue() && !is_ordinary;
  if (is_concurrent) CheckCorruption(scene, table);
  if (!is_concurrent && !is_only && scene.IsInUse(table)) {
    scene.ReportWork("L01", table,
                     absl::StrCat("CREATE INDEX without CONCURRENTLY: who writes ", table,
                                  " waits until it is built"));
  }
  if (body["if_not_exists"].IsTrue()) {
    if (is_concurrent && scene.IsPlain()) {
      scene.Report("N14", LintLevel::kWarning, table,
                   "CONCURRENTLY IF NOT EXISTS succeeds when a failed build left an invalid index "
                   "of that name; check indisvalid afterwards");
    }
    if (!is_concurrent && scene.IsInUse(table)) {
      scene.Report("N08", LintLevel::kNote, table,
                   absl::StrCat("IF NOT EXISTS waits for the SHARE lock on ", table,
                                " even when the index is there"));
    }
  }
  CheckShape(scene, table);
}

void CheckDrop(Scene& scene) {
  if (scene.body()["removeType"].raw() != "OBJECT_INDEX" || scene.body()["concurrent"].IsTrue()) {
    return;
  }
  ForEachDropped(scene.body(), [&](const std::string& index) {
    const std::string table = scene.model().TableOfIndex(index);
    if (!table.empty()) {
      const ModelTable& known = *scene.model().Find(table);
      const auto same =
          std::find_if(known.indexes.begin(), known.indexes.end(),
                       [&](const ModelIndex& have) { return index.ends_with("." + have.name); });
      if (!scene.IsInUse(table) || same->is_new) return;
    }
    scene.Report(
        "L02", LintLevel::kError, table.empty() ? index : table,
        absl::StrCat("DROP INDEX ", index, " without CONCURRENTLY: readers and writers of ",
                     table.empty() ? "its table" : table, " queue behind it"));
  });
}

void CheckReindex(Scene& scene) {
  const TreeNode body = scene.body();
  const std::string name = RelationName(body["relation"]);
  if (HasOption(body["params"], "concurrently")) {
    CheckCorruption(scene, name);
    return;
  }
  const bool is_index = body["kind"].raw() == "REINDEX_OBJECT_INDEX";
  const std::string table = is_index ? scene.model().TableOfIndex(name) : name;
  if (!table.empty() && !scene.IsInUse(table)) return;
  scene.ReportWork("L04", table.empty() ? name : table,
                   "REINDEX without CONCURRENTLY: writers wait, and queries that plan with the "
                   "index do as well");
}

}  // namespace

void CheckIndexes(Scene& scene) {
  const std::string_view node = scene.node();
  if (scene.is_in_transaction() && scene.statement().refuses_transaction) {
    scene.Report("L03", LintLevel::kError, "",
                 absl::StrCat(scene.statement().tag,
                              " cannot run inside a transaction: it fails at run time"));
  }
  if (node == "IndexStmt") CheckCreate(scene);
  if (node == "DropStmt") CheckDrop(scene);
  if (node == "ReindexStmt") CheckReindex(scene);
}

}  // namespace lockstep::migration
