#include "services/migration/engine/lint/transaction_rules.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace lockstep::migration {
namespace {

bool ChangesRows(std::string_view node) {
  return IsIn(node, {"UpdateStmt", "DeleteStmt", "MergeStmt"});
}

// INSERT .. SELECT FROM, not VALUES.
bool Copies(Scene& scene) {
  return scene.node() == "InsertStmt" && scene.body()["selectStmt"]["SelectStmt"].Has("fromClause");
}

// How long a statement works while it keeps what the transaction holds; "" = not long.
std::string LongWork(Scene& scene) {
  const StatementLocks& locks = scene.locks();
  if (ChangesRows(scene.node()) || Copies(scene)) {
    const std::string table = RelationName(scene.body()["relation"]);
    return scene.IsInUse(table) || Copies(scene) ? "changes rows" : "";
  }
  if (scene.node() == "CreateTableAsStmt") return "copies rows";
  if (locks.statement_class == StatementClass::kOnlineBuild) return "reads a whole table";
  const std::string worked = locks.worked_schema + "." + locks.worked_name;
  return !locks.work.empty() && scene.IsInUse(worked) ? locks.work : "";
}

// Equality with a constant, or a list of constants, on the column "id" or a known primary key.
bool NamesRows(const Scene& scene, const std::string& table, TreeNode condition) {
  const TreeNode both = condition["BoolExpr"];
  if (both["boolop"].raw() == "AND_EXPR") {
    for (TreeNode item = both["args"].first(); !item.empty(); item = item.next()) {
      if (NamesRows(scene, table, item)) return true;
    }
    return false;
  }
  const TreeNode comparison = condition["A_Expr"];
  const std::vector<std::string> name = NamesIn(comparison["name"]);
  if (name.empty() || name[0] != "=") return false;
  const std::vector<std::string> column = NamesIn(comparison["lexpr"]["ColumnRef"]["fields"]);
  if (column.empty()) return false;
  const TreeNode value = comparison["rexpr"];
  const bool is_constant =
      value.Has("A_Const") || value.Has("List") || value["TypeCast"]["arg"].Has("A_Const");
  const ModelTable* const known = scene.model().Find(table);
  const bool is_key =
      column.back() == "id" || (known != nullptr && known->primary_key.size() == 1 &&
                                known->primary_key[0] == column.back());
  return is_constant && is_key;
}

}  // namespace

void TransactionRules::Enter(const Scene& scene) {
  if (scene.is_in_transaction() && scene.transaction() == now_.number) return;
  for (std::size_t later = 1; later < now_.strong.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      orders_.insert({now_.strong[earlier], now_.strong[later]});
    }
  }
  now_ = {};
  now_.number = scene.is_in_transaction() ? scene.transaction() : -2;
}

void TransactionRules::Check(Scene& scene) {
  Enter(scene);
  CheckControl(scene);
  if (scene.IsPlain()) {
    CheckTimeouts(scene);
    CheckRepeatable(scene);
  }
  CheckEnums(scene);
  CheckHeld(scene);
  CheckAlters(scene);
  CheckReferences(scene);
  CheckRows(scene);
  if (!scene.IsDown()) CheckReplaced(scene);
}

void TransactionRules::CheckHeld(Scene& scene) {
  if (!scene.is_in_transaction()) return;
  std::string held;
  for (const auto& [relation, mode] : now_.held) {
    if (mode >= LockMode::kShareRowExclusive) held = relation;
  }
  const std::string work = LongWork(scene);
  if (!held.empty() && !work.empty()) {
    scene.Report("L09", LintLevel::kWarning, held,
                 absl::StrCat("this ", work, " while the transaction still holds ", held,
                              " closed; commit before it"));
  }
  for (const RelationLock& lock : scene.locks().locks) {
    const std::string relation = lock.qualified();
    if (lock.reach != Reach::kItself || lock.mode < LockMode::kShareUpdateExclusive ||
        !scene.IsInUse(relation)) {
      continue;
    }
    const bool is_strong = lock.mode >= LockMode::kShareRowExclusive;
    if (is_strong && work.empty() && !held.empty() && held != relation &&
        !now_.held.contains(relation)) {
      scene.Report("L09", LintLevel::kWarning, held,
                   absl::StrCat("waiting for ", relation, " keeps ", held,
                                " closed all the while; use a transaction for each"));
    }
    CheckOrder(scene, relation, lock.mode);
  }
}

void TransactionRules::CheckOrder(Scene& scene, const std::string& relation, LockMode mode) {
  const auto [have, is_new] = now_.held.insert({relation, mode});
  if (!is_new && mode > have->second) {
    if (IsStrong(mode)) {
      scene.Report("N18", LintLevel::kWarning, relation,
                   absl::StrCat("the transaction holds ", std::string(ToText(have->second)), " on ",
                                relation, " and now asks for ", std::string(ToText(mode)),
                                ": two who do so deadlock; ask for the strongest first"));
    }
    have->second = mode;
  }
  if (!IsStrong(mode) || scene.IsDown()) return;
  if (std::find(now_.strong.begin(), now_.strong.end(), relation) != now_.strong.end()) return;
  for (const std::string& earlier : now_.strong) {
    if (!orders_.contains({relation, earlier})) continue;
    scene.Report("N18", LintLevel::kWarning, relation,
                 absl::StrCat("another transaction of the plan locks ", relation, " before ",
                              earlier, ", this one after it: the two can deadlock"));
  }
  now_.strong.push_back(relation);
}

void TransactionRules::CheckAlters(Scene& scene) {
  if (!scene.is_in_transaction() || scene.node() != "AlterTableStmt") return;
  const std::string table = RelationName(scene.body()["relation"]);
  const bool is_closing = std::any_of(
      scene.locks().locks.begin(), scene.locks().locks.end(), [&](const RelationLock& lock) {
        return lock.mode == LockMode::kAccessExclusive && lock.qualified() == table;
      });
  if (!is_closing || !scene.IsInUse(table)) return;
  now_.changed_schema = table;
  if (!now_.changed_rows.empty()) {
    scene.Report(
        "L41", LintLevel::kWarning, table,
        absl::StrCat("the transaction changed rows of ", now_.changed_rows,
                     " and now the definition of ", table, ": its locks last as long as both"));
  }
  if (now_.altered.insert(table).second) return;
  scene.Report("L31", LintLevel::kNote, table,
               absl::StrCat("one ALTER TABLE with several actions does this in one go; ", table,
                            " was altered above"));
}

void TransactionRules::CheckReference(Scene& scene, const std::string& table, TreeNode constraint,
                                      const std::string& column) {
  if (constraint["contype"].raw() != "CONSTR_FOREIGN") return;
  Reference reference;
  reference.table = table;
  reference.columns = NamesIn(constraint["fk_attrs"]);
  if (reference.columns.empty()) reference.columns.push_back(column);
  reference.parent = RelationName(constraint["pktable"]);
  std::vector<LintFinding> noted;
  Scene apart(scene.unit(), scene.options(), scene.model(), noted);
  apart.Enter(scene.body(), scene.statement(), scene.locks(), scene.transaction());
  apart.Report(
      "L39", LintLevel::kWarning, table,
      absl::StrCat("no index of ", table, " begins with the columns of the foreign key to ",
                   reference.parent, ": every delete there reads all of ", table),
      constraint);
  reference.finding = std::move(noted.front());
  const bool adds_parent = scene.is_in_transaction() && scene.IsThere(reference.parent) &&
                           reference.parent != table &&
                           now_.parents.insert(reference.parent).second;
  if (adds_parent && now_.parents.size() == 2) {
    scene.Report("L38", LintLevel::kWarning, reference.parent,
                 absl::StrCat("one transaction locks several tables for foreign keys, ",
                              reference.parent, " among them; use a transaction for each"),
                 constraint);
  }
  references_.push_back(std::move(reference));
}

void TransactionRules::CheckReferences(Scene& scene) {
  if (scene.IsDown()) return;
  const std::string table = RelationName(scene.body()["relation"]);
  const auto column = [&](TreeNode definition) {
    for (TreeNode own = definition["constraints"].first(); !own.empty(); own = own.next()) {
      CheckReference(scene, table, own["Constraint"], definition["colname"].text());
    }
  };
  if (scene.node() == "CreateStmt") {
    for (TreeNode item = scene.body()["tableElts"].first(); !item.empty(); item = item.next()) {
      column(item["ColumnDef"]);
      CheckReference(scene, table, item["Constraint"], "");
    }
  }
  ForEachCommand(scene.body(), [&](TreeNode command) {
    if (command["subtype"].raw() == "AT_AddColumn") column(command["def"]["ColumnDef"]);
    CheckReference(scene, table, command["def"]["Constraint"], "");
  });
}

void TransactionRules::CheckRows(Scene& scene) {
  if (scene.IsBackfill()) return;
  ForEachChange(scene.body(), [&](TreeNode change) { CheckChange(scene, change); });
}

void TransactionRules::CheckChange(Scene& scene, TreeNode change) {
  const bool changes = ChangesRows(change.key());
  if (!changes && !change["selectStmt"]["SelectStmt"].Has("fromClause")) return;
  const std::string table = RelationName(change["relation"]);
  if (!scene.IsInUse(table)) return;
  now_.changed_rows = table;
  if (scene.is_in_transaction() && !now_.changed_schema.empty()) {
    scene.Report("L41", LintLevel::kWarning, table,
                 absl::StrCat("the transaction changes the definition of ", now_.changed_schema,
                              " and rows of ", table, ": its locks last as long as both"));
  }
  if (!changes || scene.IsSmall(table)) return;
  const std::string_view what = change.key() == "UpdateStmt"   ? "UPDATE"
                                : change.key() == "DeleteStmt" ? "DELETE"
                                                               : "MERGE";
  const TreeNode condition = change["whereClause"];
  if (condition.empty() && change.key() != "MergeStmt") {
    scene.Report("L41", LintLevel::kWarning, table,
                 absl::StrCat(std::string(what), " without WHERE changes every row of ", table,
                              " in one transaction (", RowsText(scene.model(), table), ")"));
  } else if (!NamesRows(scene, table, condition)) {
    scene.Report("L41", LintLevel::kWarning, table,
                 absl::StrCat(std::string(what), " may change any number of rows of ", table,
                              " in one transaction (", RowsText(scene.model(), table),
                              "); a backfill does it in batches"));
  }
}

void TransactionRules::CheckEnums(Scene& scene) {
  if (!scene.is_in_transaction()) return;
  if (scene.node() == "AlterEnumStmt") {
    if (!scene.body().Has("oldVal")) now_.enum_values.insert(scene.body()["newVal"].text());
    return;
  }
  if (now_.enum_values.empty()) return;
  ForEachNode(scene.body(), "A_Const", [&](TreeNode constant) {
    const std::string value = constant["sval"]["sval"].text();
    if (value.empty() || !now_.enum_values.contains(value)) return;
    scene.Report("N15", LintLevel::kError, "",
                 absl::StrCat("'", value,
                              "' was added in this transaction and cannot be used "
                              "before it commits"),
                 constant);
  });
}

void TransactionRules::CheckReplaced(Scene& scene) {
  const TreeNode body = scene.body();
  if (scene.node() == "DropStmt" && body["removeType"].raw() == "OBJECT_INDEX") {
    ForEachDropped(body, [&](const std::string& index) {
      Dropped gone{.name = index, .table = scene.model().TableOfIndex(index), .first_column = ""};
      if (const ModelTable* const table = scene.model().Find(gone.table)) {
        for (const ModelIndex& have : table->indexes) {
          if (!index.ends_with("." + have.name)) continue;
          // Nobody's queries rely on what the plan itself made.
          if (have.is_new || table->is_new) return;
          if (!have.columns.empty()) gone.first_column = have.columns.front();
        }
      }
      dropped_indexes_.push_back(std::move(gone));
    });
  }
  if (scene.node() == "IndexStmt") {
    const std::string table = RelationName(body["relation"]);
    const std::string name = table.substr(0, table.find('.') + 1) + body["idxname"].text();
    const std::string first = body["indexParams"].first()["IndexElem"]["name"].text();
    for (const Dropped& gone : dropped_indexes_) {
      const bool is_same_use = gone.table == table && !first.empty() && gone.first_column == first;
      if (gone.name != name && !is_same_use) continue;
      scene.Report("L37", LintLevel::kWarning, table,
                   absl::StrCat("index ", gone.name,
                                " was dropped before this one is built: in "
                                "between queries have none; build first, then drop"));
    }
  }
  if (scene.node() == "DropStmt" && body["removeType"].raw() == "OBJECT_TABLE" &&
      body["missing_ok"].IsTrue()) {
    ForEachDropped(body, [&](const std::string& table) { dropped_tables_.insert(table); });
  }
  if (scene.node() == "CreateStmt") {
    const std::string table = RelationName(body["relation"]);
    if (dropped_tables_.contains(table)) {
      scene.Report("L42", LintLevel::kWarning, table,
                   absl::StrCat("if ", table,
                                " was there, its rows are gone without a word; "
                                "CREATE TABLE alone would have failed"));
    }
  }
}

void TransactionRules::EndPlan(const SchemaModel& model, std::vector<LintFinding>& findings) {
  for (Reference& reference : references_) {
    const ModelTable* const table = model.Find(reference.table);
    if (table == nullptr || !(table->knows_everything || model.is_connected)) continue;
    const ModelTable* const parent = model.Find(reference.parent);
    const bool is_tiny =
        parent != nullptr && !parent->is_new && parent->rows.has_value() && *parent->rows <= 1'000;
    const bool is_indexed =
        std::any_of(table->indexes.begin(), table->indexes.end(), [&](const ModelIndex& index) {
          return !index.is_partial && reference.columns.size() <= index.columns.size() &&
                 std::is_permutation(reference.columns.begin(), reference.columns.end(),
                                     index.columns.begin());
        });
    if (!is_tiny && !is_indexed) findings.push_back(std::move(reference.finding));
  }
}

}  // namespace lockstep::migration
