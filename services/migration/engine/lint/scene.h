// What the rules see while they look at one statement. Internal to the linter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "services/migration/engine/lint/line_index.h"
#include "services/migration/engine/lint/lint.h"
#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/sql_analysis.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {

class Scene {
 public:
  Scene(const LintUnit& unit, const LintOptions& options, const SchemaModel& model,
        std::vector<LintFinding>& findings)
      : unit_(unit),
        options_(options),
        model_(model),
        findings_(findings),
        lines_(unit.script->text),
        names_advisory_locks_(absl::AsciiStrToLower(unit.script->text).find("pg_advisory_") !=
                              std::string::npos) {}

  // The statement that is looked at from now on. `transaction`: two statements with the same number
  // commit together; -1 = it runs outside of transactions.
  void Enter(TreeNode body, const Statement& statement, const StatementLocks& locks,
             int transaction) {
    body_ = body;
    statement_ = &statement;
    locks_ = &locks;
    transaction_ = transaction;
  }

  TreeNode body() const { return body_; }
  std::string_view node() const { return body_.key(); }
  const Statement& statement() const { return *statement_; }
  const StatementLocks& locks() const { return *locks_; }
  int transaction() const { return transaction_; }
  bool is_in_transaction() const { return transaction_ >= 0; }
  const LintUnit& unit() const { return unit_; }
  const LintOptions& options() const { return options_; }
  const SchemaModel& model() const { return model_; }

  bool IsPlain() const { return unit_.role == LintRole::kPlain; }
  bool IsUp() const { return unit_.role == LintRole::kUp; }
  bool IsDown() const { return unit_.role == LintRole::kDown; }
  // Old builds are gone when it runs, or it takes back what nobody has any more.
  bool MayTakeAway() const {
    return IsDown() || (IsUp() && unit_.revision->phase == Phase::kContract);
  }
  bool IsBackfill() const {
    return unit_.step != nullptr && unit_.step->kind == StepKind::kBackfill;
  }

  // Whether the script may ask for advisory locks at all.
  bool NamesAdvisoryLocks() const { return names_advisory_locks_; }

  // Whether the session's time zone is known to be UTC, as the engine sets it.
  bool is_utc() const { return is_utc_; }
  void set_utc(bool is_utc) { is_utc_ = is_utc; }

  // Whether others may use the relation: the plan did not make it.
  bool IsThere(std::string_view qualified) const {
    if (qualified.empty()) return false;
    const ModelTable* const table = model_.Find(qualified);
    return table == nullptr || !table->is_new;
  }
  // Whether it may have rows besides.
  bool IsInUse(std::string_view qualified) const {
    if (!IsThere(qualified)) return false;
    const ModelTable* const table = model_.Find(qualified);
    return table == nullptr || table->rows != 0;
  }
  bool IsSmall(std::string_view qualified) const {
    const ModelTable* const table = model_.Find(qualified);
    return table != nullptr && table->rows.has_value() && *table->rows <= kSmallTable;
  }
  bool IsNewColumn(std::string_view table, std::string_view column) const {
    const ModelColumn* const found = Column(table, column);
    return found != nullptr && found->is_new;
  }
  // nullptr = not known.
  const ModelColumn* Column(std::string_view table, std::string_view column) const {
    const ModelTable* const found = model_.Find(table);
    if (found == nullptr) return nullptr;
    const auto at = found->columns.find(column);
    return at == found->columns.end() ? nullptr : &at->second;
  }

  // At `at` where the node knows its place, else at the statement.
  void Report(std::string_view rule, LintLevel level, std::string_view object, std::string message,
              TreeNode at = {});
  // Of a statement that scans or rewrites `table` while its writers wait: only a note where the
  // table is small, and forbidden where it is known to be large.
  void ReportWork(std::string_view rule, std::string_view table, std::string message,
                  TreeNode at = {});
  // At a byte of the script.
  void ReportAt(std::size_t offset, std::string_view rule, LintLevel level, std::string_view object,
                std::string message);

 private:
  const LintUnit& unit_;
  const LintOptions& options_;
  const SchemaModel& model_;
  std::vector<LintFinding>& findings_;
  const LineIndex lines_;
  const bool names_advisory_locks_;
  TreeNode body_;
  const Statement* statement_ = nullptr;
  const StatementLocks* locks_ = nullptr;
  int transaction_ = -1;
  bool is_utc_ = false;
};

// Calls `visit` with every AlterTableCmd of an ALTER TABLE; nothing for other statements.
template <typename Visit>
void ForEachCommand(TreeNode body, Visit visit) {
  if (body.key() != "AlterTableStmt") return;
  for (TreeNode item = body["cmds"].first(); !item.empty(); item = item.next()) {
    visit(item["AlterTableCmd"]);
  }
}

// Calls `visit` with every node below and including `node` whose key is `key`.
template <typename Visit>
void ForEachNode(TreeNode node, std::string_view key, const Visit& visit) {
  if (node.key() == key) visit(node);
  for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
    ForEachNode(child, key, visit);
  }
}

// Calls `visit` with every INSERT, UPDATE, DELETE and MERGE of the statement, those of WITH
// included.
template <typename Visit>
void ForEachChange(TreeNode body, const Visit& visit) {
  constexpr std::string_view kKinds[] = {"UpdateStmt", "DeleteStmt", "MergeStmt", "InsertStmt"};
  if (std::find(std::begin(kKinds), std::end(kKinds), body.key()) != std::end(kKinds)) visit(body);
  for (const std::string_view kind : kKinds) ForEachNode(body["withClause"], kind, visit);
}

// Calls `visit` with the qualified name of everything that a DROP names.
template <typename Visit>
void ForEachDropped(TreeNode body, Visit visit) {
  for (TreeNode item = body["objects"].first(); !item.empty(); item = item.next()) {
    if (item.Has("items") || item.Has("List")) {
      visit(NameOfList(item["List"]["items"]));
    } else if (item.Has("ObjectWithArgs")) {
      visit(NameOfList(item["ObjectWithArgs"]["objname"]));
    } else if (item.Has("TypeName")) {
      visit(NameOfList(item["TypeName"]["names"]));
    } else {
      visit(item["String"]["sval"].text());
    }
  }
}

// "about 2,000,000 rows", or "an unknown number of rows".
std::string RowsText(const SchemaModel& model, std::string_view table);

// The families of rules, each for one statement.
void CheckIndexes(Scene& scene);
void CheckConstraints(Scene& scene);
void CheckColumns(Scene& scene);
void CheckObjects(Scene& scene);
void CheckPartitions(Scene& scene);
void CheckViews(Scene& scene);
void CheckStyle(Scene& scene);
void CheckServerVersion(Scene& scene);

}  // namespace lockstep::migration
