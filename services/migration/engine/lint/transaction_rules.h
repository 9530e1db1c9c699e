// Rules about what stands together in one transaction, one file or one plan: L09, L28 to L31, L37
// to L39, L41, L42, N13, N15 and N18. Internal to the linter.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "services/migration/engine/lint/scene.h"

namespace lockstep::migration {

class TransactionRules {
 public:
  // A script begins. `statements`: how many it has.
  void BeginUnit(std::size_t statements);
  // Before the model learns of the statement.
  void Check(Scene& scene);
  // A plain file ends: `scene` stands at its last statement.
  void EndUnit(Scene& scene);
  // Every script was read. `model` is what is there then.
  void EndPlan(const SchemaModel& model, std::vector<LintFinding>& findings);

 private:
  // What the statements of one transaction did so far, to what was there before the plan.
  struct Transaction {
    int number = -2;
    std::map<std::string, LockMode> held;  // SHARE UPDATE EXCLUSIVE and above
    std::vector<std::string> strong;       // SHARE and above, in the order in which they were taken
    std::set<std::string> altered;         // tables of an ALTER TABLE with ACCESS EXCLUSIVE
    std::set<std::string> parents;         // of foreign keys
    std::set<std::string> enum_values;     // that were added
    std::string changed_schema;            // a table whose definition it changed
    std::string changed_rows;              // a table whose rows it changed
  };
  // An index that went, or a foreign key that may miss one.
  struct Dropped {
    std::string name;
    std::string table;
    std::string first_column;
  };
  struct Reference {
    std::string table;
    std::vector<std::string> columns;
    std::string parent;
    LintFinding finding;
  };

  void Enter(const Scene& scene);
  void CheckControl(Scene& scene);
  void CheckTimeouts(Scene& scene);
  void CheckRepeatable(Scene& scene);
  void CheckHeld(Scene& scene);
  void CheckOrder(Scene& scene, const std::string& relation, LockMode mode);
  void CheckAlters(Scene& scene);
  void CheckReferences(Scene& scene);
  void CheckReference(Scene& scene, const std::string& table, TreeNode constraint,
                      const std::string& column);
  void CheckRows(Scene& scene);
  void CheckChange(Scene& scene, TreeNode change);
  void CheckEnums(Scene& scene);
  void CheckReplaced(Scene& scene);

  Transaction now_;
  std::set<std::pair<std::string, std::string>> orders_;  // of transactions that ended
  std::vector<Dropped> dropped_indexes_;
  std::set<std::string> dropped_tables_;  // with IF EXISTS
  std::vector<Reference> references_;
  // Of the file:
  std::size_t statements_ = 0;
  std::size_t seen_ = 0;
  bool is_begun_ = false;          // an explicit BEGIN is open
  bool has_lock_timeout_ = false;  // neither zero nor the default
  bool has_statement_timeout_ = false;
  bool told_timeout_ = false;
};

}  // namespace lockstep::migration
