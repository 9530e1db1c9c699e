// The rules of transaction_rules.h about how a file is run: L28 to L30 and N13.
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/migration/engine/lint/transaction_rules.h"

namespace lockstep::migration {
namespace {

// What leaves something invalid behind when it is broken off.
bool IsConcurrent(const Scene& scene) {
  return scene.statement().refuses_transaction &&
         IsIn(scene.node(), {"IndexStmt", "DropStmt", "ReindexStmt", "AlterTableStmt"});
}

// SET lock_timeout = 0 and SET .. TO DEFAULT set none.
bool SetsTimeout(TreeNode body) {
  if (body["kind"].raw() != "VAR_SET_VALUE") return false;
  const TreeNode value = body["args"].first()["A_Const"];
  const std::string text = value["sval"]["sval"].text();
  return value["ival"]["ival"].Number(0) > 0 || (!text.empty() && text[0] != '0');
}

bool IsRobust(Scene& scene) {
  const TreeNode body = scene.body();
  const std::string_view node = scene.node();
  if (IsIn(node, {"CreateStmt", "IndexStmt", "CreateSeqStmt", "CreateSchemaStmt",
                  "CreateExtensionStmt", "CreateTableAsStmt"})) {
    return body["if_not_exists"].IsTrue();
  }
  if (node == "DropStmt") return body["missing_ok"].IsTrue();
  if (IsIn(node, {"ViewStmt", "CreateFunctionStmt", "CreateTrigStmt"})) {
    return body["replace"].IsTrue();
  }
  if (IsIn(node, {"CreateEnumStmt", "CreateDomainStmt", "CompositeTypeStmt", "RenameStmt"})) {
    return false;
  }
  if (node == "AlterEnumStmt") return body["skipIfNewValExists"].IsTrue();
  bool is_robust = true;
  ForEachCommand(body, [&](TreeNode command) {
    const std::string_view subtype = command["subtype"].raw();
    if (subtype == "AT_AddConstraint") is_robust = false;
    if (IsIn(subtype, {"AT_AddColumn", "AT_DropColumn", "AT_DropConstraint"})) {
      is_robust = is_robust && command["missing_ok"].IsTrue();
    }
  });
  return is_robust;
}

}  // namespace

void TransactionRules::BeginUnit(std::size_t statements) {
  statements_ = statements;
  seen_ = 0;
  is_begun_ = has_lock_timeout_ = has_statement_timeout_ = told_timeout_ = false;
}

void TransactionRules::CheckControl(Scene& scene) {
  if (!scene.statement().is_transaction_control) return;
  const std::string_view kind = scene.body()["kind"].raw();
  const auto report = [&](std::string message) {
    scene.Report("L30", LintLevel::kError, "", std::move(message));
  };
  if (!scene.IsPlain() || scene.options().plain_files == PlainFiles::kInside) {
    report(absl::StrCat(scene.statement().tag,
                        ": whoever runs the script begins and ends its transaction"));
    return;
  }
  if (IsIn(kind, {"TRANS_STMT_BEGIN", "TRANS_STMT_START"})) {
    if (is_begun_) report("BEGIN inside a transaction does nothing but warn");
    is_begun_ = true;
  } else if (IsIn(kind, {"TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK"})) {
    if (!is_begun_) report("there is no transaction to end here: BEGIN is missing");
    is_begun_ = false;
  }
}

void TransactionRules::EndUnit(Scene& scene) {
  if (!scene.IsPlain() || !is_begun_) return;
  scene.Report("L30", LintLevel::kError, "",
               "the transaction is never committed: nothing of it stays");
}

void TransactionRules::CheckTimeouts(Scene& scene) {
  if (scene.node() == "VariableSetStmt") {
    const std::string name = scene.body()["name"].text();
    const bool resets_all = scene.body()["kind"].raw() == "VAR_RESET_ALL";
    if (name == "lock_timeout" || resets_all) has_lock_timeout_ = SetsTimeout(scene.body());
    if (name == "statement_timeout" || resets_all) {
      has_statement_timeout_ = SetsTimeout(scene.body());
    }
    return;
  }
  for (const SettingChange& setting : scene.statement().settings) {
    has_lock_timeout_ = has_lock_timeout_ || setting.name == "lock_timeout";
  }
  if ((has_lock_timeout_ || has_statement_timeout_) && IsConcurrent(scene)) {
    scene.Report("N13", LintLevel::kWarning, "",
                 "a timeout breaks the build off and leaves something invalid behind; set it to 0 "
                 "for this statement and watch it");
  }
  if (has_lock_timeout_ || told_timeout_) return;
  for (const RelationLock& lock : scene.locks().locks) {
    if (!IsStrong(lock.mode) || lock.reach != Reach::kItself || !scene.IsInUse(lock.qualified())) {
      continue;
    }
    told_timeout_ = true;
    scene.Report("L29", LintLevel::kWarning, lock.qualified(),
                 absl::StrCat("without a lock_timeout this waits behind whoever uses ",
                              lock.qualified(), ", and everybody else queues behind it"));
    return;
  }
}

void TransactionRules::CheckRepeatable(Scene& scene) {
  ++seen_;
  // The last one has nothing after it that could fail; a concurrent build says it itself (N14).
  if (scene.is_in_transaction() || seen_ >= statements_ || IsConcurrent(scene) || IsRobust(scene)) {
    return;
  }
  scene.Report("L28", LintLevel::kWarning, "",
               "when a later statement fails, running the file again stops here");
}

}  // namespace lockstep::migration
