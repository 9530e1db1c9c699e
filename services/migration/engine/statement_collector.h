// Gathers what one statement asks for; see statement_class.h. Internal to the files that classify.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {

// A relation by name, as the parse tree or a list of names has it.
struct TreeName {
  std::string schema;
  std::string name;

  static TreeName Of(TreeNode range_var) {
    return {range_var["schemaname"].text(), range_var["relname"].text()};
  }
  std::string qualified() const { return schema + "." + name; }
};

class StatementCollector {
 public:
  // `made`: relations that earlier statements of the script made. `default_schema`: where names
  // without a schema are looked for; "" = they are PostgreSQL's own or temporary. Both must outlive
  // the collector.
  StatementCollector(const std::set<std::string>& made, std::string_view default_schema)
      : made_(made), default_schema_(default_schema) {}

  void Lock(TreeName name, LockMode mode, Reach reach = Reach::kItself, std::string part = "") {
    if (name.schema.empty()) name.schema = default_schema_;
    if (name.schema.empty() || name.name.empty() || made_.contains(name.qualified())) return;
    RelationLock lock{.schema = name.schema,
                      .name = name.name,
                      .mode = mode,
                      .reach = reach,
                      .part = std::move(part)};
    const auto same = std::find_if(found_.locks.begin(), found_.locks.end(), [&](const auto& have) {
      return have.schema == lock.schema && have.name == lock.name && have.reach == lock.reach &&
             have.part == lock.part;
    });
    if (same == found_.locks.end()) {
      found_.locks.push_back(std::move(lock));
    } else {
      same->mode = std::max(same->mode, mode);
    }
  }
  // The relation and, unless the statement says ONLY, what inherits from it.
  void LockTree(TreeNode range_var, LockMode mode) {
    const TreeName name = TreeName::Of(range_var);
    Lock(name, mode);
    if (range_var["inh"].IsTrue()) Lock(name, mode, Reach::kHeirs);
  }

  void Raise(StatementClass to) { found_.statement_class = std::max(found_.statement_class, to); }
  // What is done to a table that nobody else has seen blocks nobody. Of several works the first is
  // told.
  void Forbid(std::string work, TreeName table) {
    if (table.schema.empty() && !table.name.empty()) table.schema = default_schema_;
    if (made_.contains(table.qualified())) return;
    Raise(StatementClass::kForbiddenOnline);
    if (!found_.work.empty()) return;
    found_.work = std::move(work);
    found_.worked_schema = table.schema;
    found_.worked_name = table.name;
  }

  StatementLocks Take() { return std::move(found_); }

 private:
  const std::set<std::string>& made_;
  std::string_view default_schema_;
  StatementLocks found_;
};

// ALTER TABLE, ALTER INDEX, ALTER VIEW ... with a list of commands.
void CollectAlterTable(TreeNode body, StatementCollector& out);

// What a foreign key to `constraint`'s table asks of that table.
void CollectReferenced(TreeNode constraint, StatementCollector& out);

}  // namespace lockstep::migration
