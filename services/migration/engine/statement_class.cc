#include "services/migration/engine/statement_class.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "services/migration/engine/parsed_sql.h"
#include "services/migration/engine/statement_collector.h"

namespace lockstep::migration {
namespace {

// [{"String": ...}, ...] without its last `less` parts, as a relation.
TreeName NameIn(TreeNode list, std::size_t less) {
  std::vector<std::string> parts;
  for (TreeNode item = list.first(); !item.empty(); item = item.next()) {
    parts.push_back(item["String"]["sval"].text());
  }
  if (parts.size() < less + 1) return {};
  parts.resize(parts.size() - less);
  return {parts.size() == 1 ? "" : parts[parts.size() - 2], parts.back()};
}

// Classifies the statements of one script, in order.
class Classifier {
 public:
  explicit Classifier(std::string_view default_schema) : default_schema_(default_schema) {}

  StatementLocks Read(TreeNode body) {
    StatementCollector out(made_, default_schema_);
    if (!ReadDdl(body, out) && !ReadMaintenance(body, out) && !ReadOther(body, out)) {
      // Nobody has measured it: the strongest lock on whatever it names.
      out.Raise(StatementClass::kForbiddenOnline);
      LockAll(body, out);
    }
    Remember(body);
    return out.Take();
  }

 private:
  bool ReadDdl(TreeNode body, StatementCollector& out);
  bool ReadMaintenance(TreeNode body, StatementCollector& out);
  static bool ReadOther(TreeNode body, StatementCollector& out);
  static void ReadCreateTable(TreeNode body, StatementCollector& out);
  static void ReadDrop(TreeNode body, StatementCollector& out);
  static void LockAll(TreeNode node, StatementCollector& out);
  void Remember(TreeNode body);

  std::string_view default_schema_;
  std::set<std::string> made_;
};

void Classifier::LockAll(TreeNode node, StatementCollector& out) {
  if (node.Has("relname")) out.LockTree(node, LockMode::kAccessExclusive);
  for (TreeNode child = node.first(); !child.empty(); child = child.next()) LockAll(child, out);
}

void Classifier::ReadCreateTable(TreeNode body, StatementCollector& out) {
  for (TreeNode item = body["tableElts"].first(); !item.empty(); item = item.next()) {
    CollectReferenced(item["Constraint"], out);
    const TreeNode constraints = item["ColumnDef"]["constraints"];
    for (TreeNode own = constraints.first(); !own.empty(); own = own.next()) {
      CollectReferenced(own["Constraint"], out);
    }
  }
  const bool is_partition = body.Has("partbound");
  for (TreeNode item = body["inhRelations"].first(); !item.empty(); item = item.next()) {
    const TreeName parent = TreeName::Of(item["RangeVar"]);
    out.Lock(parent, is_partition ? LockMode::kAccessExclusive : LockMode::kShareUpdateExclusive);
    if (!is_partition) continue;
    out.Lock(parent, LockMode::kAccessExclusive, Reach::kDefaultPartition);
    // For rows that belong into the new one; only the catalog knows whether it has any.
    out.Forbid("reads every row of the default partition", parent);
  }
}

void Classifier::ReadDrop(TreeNode body, StatementCollector& out) {
  const std::string_view type = body["removeType"].raw();
  const bool cascades = body["behavior"].raw() == "DROP_CASCADE";
  const bool is_part = IsIn(type, {"OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"});
  const bool is_online = body["concurrent"].IsTrue();
  if (is_online) out.Raise(StatementClass::kOnlineBuild);
  const LockMode mode = is_online ? LockMode::kShareUpdateExclusive : LockMode::kAccessExclusive;
  for (TreeNode item = body["objects"].first(); !item.empty(); item = item.next()) {
    const TreeName name = NameIn(item["List"]["items"], is_part ? 1 : 0);
    if (is_part) out.Lock(name, mode);
    if (IsIn(type, {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"})) {
      out.Lock(name, mode);
      out.Lock(name, mode, Reach::kHeirs);
      out.Lock(name, mode, Reach::kReferenced);
    }
    if (IsIn(type, {"OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE"})) out.Lock(name, mode);
    if (type == "OBJECT_INDEX") {
      out.Lock(name, mode);
      out.Lock(name, mode, Reach::kIndexedTable);
    }
    if (cascades) out.Lock(name, mode, Reach::kDependents);
  }
}

bool Classifier::ReadDdl(TreeNode body, StatementCollector& out) {
  const std::string_view node = body.key();
  const TreeNode relation = body["relation"];
  if (node == "AlterTableStmt") {
    CollectAlterTable(body, out);
  } else if (node == "CreateStmt") {
    ReadCreateTable(body, out);
  } else if (node == "IndexStmt") {
    const bool is_online = body["concurrent"].IsTrue();
    out.LockTree(relation, is_online ? LockMode::kShareUpdateExclusive : LockMode::kShare);
    if (is_online) out.Raise(StatementClass::kOnlineBuild);
    if (!is_online) out.Forbid("builds an index", TreeName::Of(relation));
  } else if (node == "DropStmt") {
    ReadDrop(body, out);
  } else if (node == "RenameStmt") {
    const bool is_index = body["renameType"].raw() == "OBJECT_INDEX";
    // Other objects than relations have no such member.
    out.LockTree(relation, is_index ? LockMode::kShareUpdateExclusive : LockMode::kAccessExclusive);
  } else if (node == "ViewStmt") {
    // Only the view that it replaces, if there is one.
    if (body["replace"].IsTrue()) {
      out.Lock(TreeName::Of(body["view"]), LockMode::kAccessExclusive);
    }
  } else if (IsIn(node, {"AlterObjectSchemaStmt", "RuleStmt"})) {
    out.Lock(TreeName::Of(relation), LockMode::kAccessExclusive);
  } else if (IsIn(node, {"CreatePolicyStmt", "AlterPolicyStmt"})) {
    out.Lock(TreeName::Of(body["table"]), LockMode::kAccessExclusive);
  } else if (node == "CreateTrigStmt") {
    out.LockTree(relation, LockMode::kShareRowExclusive);
  } else if (node == "AlterSeqStmt") {
    out.Lock(TreeName::Of(body["sequence"]), LockMode::kShareRowExclusive);
  } else if (node == "CreateStatsStmt") {
    const TreeNode table = body["relations"].first()["RangeVar"];
    out.Lock(TreeName::Of(table), LockMode::kShareUpdateExclusive);
  } else if (node == "CommentStmt") {
    const std::string_view type = body["objtype"].raw();
    const bool is_column = type == "OBJECT_COLUMN";
    if (is_column || IsIn(type, {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_INDEX"})) {
      out.Lock(NameIn(body["object"]["List"]["items"], is_column ? 1 : 0),
               LockMode::kShareUpdateExclusive);
    }
  } else if (node == "AlterDomainStmt") {
    // Reads the tables that use the domain; only the catalog knows which.
    const TreeNode constraint = body["def"]["Constraint"];
    if (!constraint.empty() && !constraint["skip_validation"].IsTrue()) {
      out.Forbid("reads every table that uses the domain", {});
    }
  } else {
    return false;
  }
  return true;
}

bool Classifier::ReadMaintenance(TreeNode body, StatementCollector& out) {
  const std::string_view node = body.key();
  const TreeNode relation = body["relation"];
  const TreeName name = TreeName::Of(relation);
  if (node == "TruncateStmt") {
    for (TreeNode item = body["relations"].first(); !item.empty(); item = item.next()) {
      out.LockTree(item["RangeVar"], LockMode::kAccessExclusive);
      if (body["behavior"].raw() != "DROP_CASCADE") continue;
      out.Lock(TreeName::Of(item["RangeVar"]), LockMode::kAccessExclusive, Reach::kDependents);
    }
  } else if (node == "LockStmt") {
    const auto mode = static_cast<LockMode>(std::clamp<long long>(body["mode"].Number(8), 1, 8));
    for (TreeNode item = body["relations"].first(); !item.empty(); item = item.next()) {
      out.LockTree(item["RangeVar"], mode);
    }
  } else if (node == "ReindexStmt") {
    const bool is_index = body["kind"].raw() == "REINDEX_OBJECT_INDEX";
    if (HasOption(body["params"], "concurrently")) {
      out.Raise(StatementClass::kOnlineBuild);
      out.Lock(name, LockMode::kShareUpdateExclusive);
      if (is_index) out.Lock(name, LockMode::kShareUpdateExclusive, Reach::kIndexedTable);
    } else {
      out.Lock(name, is_index ? LockMode::kAccessExclusive : LockMode::kShare);
      if (is_index) out.Lock(name, LockMode::kShare, Reach::kIndexedTable);
      if (!is_index) out.Lock(name, LockMode::kAccessExclusive, Reach::kIndexes);
      out.Forbid("builds indexes anew", name);
    }
  } else if (node == "ClusterStmt") {
    out.Lock(name, LockMode::kAccessExclusive);
    out.Forbid("writes the table anew", name);
  } else if (node == "VacuumStmt") {
    const bool is_full = HasOption(body["options"], "full");
    out.Raise(StatementClass::kOnlineBuild);
    for (TreeNode item = body["rels"].first(); !item.empty(); item = item.next()) {
      const TreeName table = TreeName::Of(item["VacuumRelation"]["relation"]);
      out.Lock(table, is_full ? LockMode::kAccessExclusive : LockMode::kShareUpdateExclusive);
      if (is_full) out.Forbid("writes the table anew", table);
    }
  } else if (node == "RefreshMatViewStmt") {
    const bool is_online = body["concurrent"].IsTrue();
    out.Lock(name, is_online ? LockMode::kExclusive : LockMode::kAccessExclusive);
    if (is_online) out.Raise(StatementClass::kOnlineBuild);
    if (!is_online) out.Forbid("computes the view anew", name);
  } else {
    return false;
  }
  return true;
}

bool Classifier::ReadOther(TreeNode body, StatementCollector& out) {
  const std::string_view node = body.key();
  if (IsIn(node, {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})) {
    out.LockTree(body["relation"], LockMode::kRowExclusive);
    out.Raise(StatementClass::kData);
    return true;
  }
  if (IsIn(node, {"SelectStmt", "CopyStmt", "CreateTableAsStmt", "DoStmt", "CallStmt",
                  "ExplainStmt", "ExecuteStmt"})) {
    out.Raise(StatementClass::kData);
    return true;
  }
  // No lock on a relation that is there.
  return IsIn(node, {"AlterDefaultPrivilegesStmt",
                     "AlterEnumStmt",
                     "AlterFunctionStmt",
                     "AlterOwnerStmt",
                     "AlterRoleStmt",
                     "AlterTypeStmt",
                     "CompositeTypeStmt",
                     "ConstraintsSetStmt",
                     "CreateCastStmt",
                     "CreateDomainStmt",
                     "CreateEnumStmt",
                     "CreateExtensionStmt",
                     "CreateFunctionStmt",
                     "CreateOpClassStmt",
                     "CreateOpFamilyStmt",
                     "CreateRangeStmt",
                     "CreateRoleStmt",
                     "CreateSchemaStmt",
                     "CreateSeqStmt",
                     "DefineStmt",
                     "GrantRoleStmt",
                     "GrantStmt",
                     "NotifyStmt",
                     "VariableSetStmt",
                     "VariableShowStmt"});
}

// What later statements of the script find that nobody else has seen yet. With IF NOT EXISTS it may
// have been there.
void Classifier::Remember(TreeNode body) {
  const std::string_view node = body.key();
  if (body["if_not_exists"].IsTrue() || body["replace"].IsTrue()) return;
  TreeNode made;
  if (node == "CreateStmt") made = body["relation"];
  if (node == "CreateTableAsStmt") made = body["into"]["rel"];
  if (node == "ViewStmt") made = body["view"];
  if (node == "CreateSeqStmt") made = body["sequence"];
  const auto remember = [&](TreeName name) {
    if (name.schema.empty()) name.schema = default_schema_;
    made_.insert(name.qualified());
  };
  if (!made.empty()) remember(TreeName::Of(made));
  if (node == "IndexStmt" && body.Has("idxname")) {
    remember({body["relation"]["schemaname"].text(), body["idxname"].text()});
  }
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kModeNames = {{
    {"ACCESS SHARE", "AccessShareLock"},
    {"ROW SHARE", "RowShareLock"},
    {"ROW EXCLUSIVE", "RowExclusiveLock"},
    {"SHARE UPDATE EXCLUSIVE", "ShareUpdateExclusiveLock"},
    {"SHARE", "ShareLock"},
    {"SHARE ROW EXCLUSIVE", "ShareRowExclusiveLock"},
    {"EXCLUSIVE", "ExclusiveLock"},
    {"ACCESS EXCLUSIVE", "AccessExclusiveLock"},
}};

std::size_t IndexOf(LockMode mode) { return static_cast<std::size_t>(mode) - 1; }

}  // namespace

std::string_view ToText(LockMode mode) { return kModeNames[IndexOf(mode)].first; }

std::string_view PgLocksName(LockMode mode) { return kModeNames[IndexOf(mode)].second; }

bool Conflicts(LockMode one, LockMode other) {
  const auto [weak, strong] = std::minmax(one, other);
  switch (strong) {
    case LockMode::kAccessExclusive:
      return true;
    case LockMode::kExclusive:
      return weak >= LockMode::kRowShare;
    case LockMode::kShareRowExclusive:
      return weak >= LockMode::kRowExclusive;
    case LockMode::kShare:
      return weak >= LockMode::kRowExclusive && weak != LockMode::kShare;
    case LockMode::kShareUpdateExclusive:
      return weak == LockMode::kShareUpdateExclusive;
    default:
      return false;
  }
}

std::vector<StatementLocks> ClassifyStatements(TreeNode root, std::string_view default_schema) {
  Classifier classifier(default_schema);
  std::vector<StatementLocks> statements;
  for (TreeNode item = root["stmts"].first(); !item.empty(); item = item.next()) {
    statements.push_back(classifier.Read(item["stmt"].first()));
  }
  return statements;
}

std::vector<StatementLocks> ClassifyStatements(const Script& script) {
  const ParsedSql parsed(script.text);
  if (script.is_opaque || !parsed.ok()) {
    StatementLocks hidden;
    hidden.statement_class = StatementClass::kData;
    return {std::move(hidden)};
  }
  const ParseTree tree(parsed.json());
  return ClassifyStatements(tree.root(), "");
}

bool IsInstant(const std::vector<StatementLocks>& statements) {
  return std::all_of(statements.begin(), statements.end(), [](const StatementLocks& statement) {
    return statement.statement_class == StatementClass::kInstant;
  });
}

}  // namespace lockstep::migration
