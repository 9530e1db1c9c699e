// The commands of ALTER TABLE.
#include <algorithm>
#include <string>
#include <string_view>

#include "services/migration/engine/default_expression.h"
#include "services/migration/engine/statement_collector.h"

namespace lockstep::migration {
namespace {

// What adding the column does to the rows that are there; "" = nothing.
std::string WorkOfColumn(TreeNode column) {
  const std::string type = BuiltInName(column["typeName"]["names"]);
  if (IsSerial(type)) return "writes the table anew";
  // A domain with a constraint; the catalog could tell it from a harmless type.
  if (type.empty()) return "may write the table anew, for a type of its own";
  bool has_default = false;
  bool is_not_null = false;
  bool is_checked = false;
  bool is_indexed = false;
  bool refers = false;
  for (TreeNode item = column["constraints"].first(); !item.empty(); item = item.next()) {
    const TreeNode constraint = item["Constraint"];
    const std::string_view kind = constraint["contype"].raw();
    if (kind == "CONSTR_IDENTITY" || kind == "CONSTR_GENERATED") return "writes the table anew";
    if (kind == "CONSTR_DEFAULT") {
      if (MayBeVolatile(constraint["raw_expr"])) return "writes the table anew";
      has_default = true;
    }
    is_not_null = is_not_null || kind == "CONSTR_NOTNULL";
    is_checked = is_checked || kind == "CONSTR_CHECK";
    is_indexed = is_indexed || kind == "CONSTR_UNIQUE" || kind == "CONSTR_PRIMARY";
    refers = refers || kind == "CONSTR_FOREIGN";
  }
  if (is_indexed) return "builds an index";
  if (is_checked || (is_not_null && !has_default) || (refers && has_default)) {
    return "reads every row to check it";
  }
  return "";
}

void AddColumn(TreeNode column, const TreeName& table, StatementCollector& out) {
  for (TreeNode item = column["constraints"].first(); !item.empty(); item = item.next()) {
    CollectReferenced(item["Constraint"], out);
  }
  std::string work = WorkOfColumn(column);
  if (!work.empty()) out.Forbid(std::move(work), table);
}

// The lock on the table itself.
LockMode AddConstraint(TreeNode constraint, const TreeName& table, StatementCollector& out) {
  const std::string_view kind = constraint["contype"].raw();
  const bool is_unchecked = constraint["skip_validation"].IsTrue();
  CollectReferenced(constraint, out);
  if (kind == "CONSTR_FOREIGN") {
    if (!is_unchecked) out.Forbid("reads every row to check it", table);
    return LockMode::kShareRowExclusive;
  }
  if (kind == "CONSTR_CHECK") {
    if (!is_unchecked) out.Forbid("reads every row to check it", table);
  } else if (!constraint.Has("indexname")) {
    out.Forbid("builds an index", table);
  } else if (kind == "CONSTR_PRIMARY") {
    // Unless its columns are NOT NULL already.
    out.Forbid("reads every row to look for NULL", table);
  }
  return LockMode::kAccessExclusive;
}

bool IsCheapOption(std::string_view name) {
  return name.starts_with("autovacuum_") || name.starts_with("toast") ||
         name.starts_with("vacuum_") ||
         IsIn(name, {"fillfactor", "parallel_workers", "log_autovacuum_min_duration"});
}

LockMode ModeOfOptions(TreeNode command, bool is_index) {
  if (is_index) return LockMode::kShareUpdateExclusive;
  const TreeNode options = command["def"]["List"]["items"];
  for (TreeNode option = options.first(); !option.empty(); option = option.next()) {
    if (!IsCheapOption(option["DefElem"]["defname"].raw())) return LockMode::kAccessExclusive;
  }
  return LockMode::kShareUpdateExclusive;
}

void Partition(TreeNode command, const TreeName& table, bool is_index, StatementCollector& out) {
  const std::string_view subtype = command["subtype"].raw();
  const TreeNode partition = command["def"]["PartitionCmd"];
  const TreeName part = TreeName::Of(partition["name"]);
  const bool attaches = subtype == "AT_AttachPartition";
  if (partition["concurrent"].IsTrue() || subtype == "AT_DetachPartitionFinalize") {
    out.Raise(StatementClass::kOnlineBuild);
    out.Lock(table, LockMode::kShareUpdateExclusive);
    // In the second of its two transactions.
    out.Lock(part, LockMode::kAccessExclusive);
    return;
  }
  out.Lock(table, attaches ? LockMode::kShareUpdateExclusive : LockMode::kAccessExclusive);
  out.Lock(part, LockMode::kAccessExclusive);
  if (is_index) return;
  out.Lock(table, LockMode::kAccessExclusive, Reach::kDefaultPartition);
  if (attaches) out.Forbid("reads every row unless a CHECK proves the bound", part);
}

// Commands that only change the catalog under a lock of their own.
LockMode ModeOfPlain(std::string_view subtype) {
  if (IsIn(subtype, {"AT_SetStatistics", "AT_SetOptions", "AT_ResetOptions", "AT_ClusterOn",
                     "AT_DropCluster"})) {
    return LockMode::kShareUpdateExclusive;
  }
  return subtype.find("Trig") != std::string_view::npos ? LockMode::kShareRowExclusive
                                                        : LockMode::kAccessExclusive;
}

bool IsPlain(std::string_view subtype) {
  return subtype.find("Trig") != std::string_view::npos ||
         IsIn(subtype, {"AT_SetStatistics",
                        "AT_SetOptions",
                        "AT_ResetOptions",
                        "AT_ClusterOn",
                        "AT_DropCluster",
                        "AT_ColumnDefault",
                        "AT_DropNotNull",
                        "AT_AddIdentity",
                        "AT_SetIdentity",
                        "AT_DropIdentity",
                        "AT_DropExpression",
                        "AT_SetStorage",
                        "AT_SetCompression",
                        "AT_AlterConstraint",
                        "AT_ChangeOwner",
                        "AT_EnableRule",
                        "AT_EnableAlwaysRule",
                        "AT_EnableReplicaRule",
                        "AT_DisableRule",
                        "AT_AddInherit",
                        "AT_DropInherit",
                        "AT_AddOf",
                        "AT_DropOf",
                        "AT_ReplicaIdentity",
                        "AT_EnableRowSecurity",
                        "AT_DisableRowSecurity",
                        "AT_ForceRowSecurity",
                        "AT_NoForceRowSecurity",
                        "AT_GenericOptions",
                        "AT_AlterColumnGenericOptions"});
}

// Adds what the command asks of others, and returns the lock on the table itself.
LockMode Command(TreeNode command, const TreeName& table, bool is_index, StatementCollector& out) {
  const std::string_view subtype = command["subtype"].raw();
  const std::string name = command["name"].text();
  if (subtype == "AT_AddColumn") {
    AddColumn(command["def"]["ColumnDef"], table, out);
  } else if (subtype == "AT_AddConstraint") {
    return AddConstraint(command["def"]["Constraint"], table, out);
  } else if (subtype == "AT_DropColumn" || subtype == "AT_DropConstraint") {
    out.Lock(table, LockMode::kAccessExclusive, Reach::kReferenced, name);
    if (command["behavior"].raw() == "DROP_CASCADE") {
      out.Lock(table, LockMode::kAccessExclusive, Reach::kDependents);
    }
  } else if (subtype == "AT_AlterColumnType") {
    out.Lock(table, LockMode::kAccessExclusive, Reach::kReferenced, name);
    out.Forbid("writes the table anew unless the old type allows it", table);
  } else if (subtype == "AT_SetNotNull") {
    out.Forbid("reads every row to look for NULL", table);
  } else if (subtype == "AT_ValidateConstraint") {
    out.Raise(StatementClass::kOnlineBuild);
    out.Lock(table, LockMode::kRowShare, Reach::kReferenced, name);
    return LockMode::kShareUpdateExclusive;
  } else if (subtype.ends_with("RelOptions")) {
    return ModeOfOptions(command, is_index);
  } else if (IsPlain(subtype)) {
    return ModeOfPlain(subtype);
  } else {
    // SET LOGGED, SET TABLESPACE, SET ACCESS METHOD, and what nobody has measured.
    out.Forbid("may write the table anew", table);
  }
  return LockMode::kAccessExclusive;
}

}  // namespace

void CollectReferenced(TreeNode constraint, StatementCollector& out) {
  if (constraint["contype"].raw() != "CONSTR_FOREIGN") return;
  out.Lock(TreeName::Of(constraint["pktable"]), LockMode::kShareRowExclusive);
}

void CollectAlterTable(TreeNode body, StatementCollector& out) {
  const TreeNode relation = body["relation"];
  const TreeName table = TreeName::Of(relation);
  const bool is_index = body["objtype"].raw() == "OBJECT_INDEX";
  for (TreeNode item = body["cmds"].first(); !item.empty(); item = item.next()) {
    const TreeNode command = item["AlterTableCmd"];
    const std::string_view subtype = command["subtype"].raw();
    if (subtype == "AT_AttachPartition" || subtype.starts_with("AT_DetachPartition")) {
      Partition(command, table, is_index, out);
    } else {
      out.LockTree(relation, Command(command, table, is_index, out));
    }
  }
}

}  // namespace lockstep::migration
