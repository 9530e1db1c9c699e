// Rules about a revision as a whole: M01 to M07. Internal to the linter.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/lint/scene.h"

namespace lockstep::migration {

class RevisionRules {
 public:
  // A script of a revision begins; `root` is the root of its parse tree.
  void BeginUnit(TreeNode root);
  // Before the model learns of the statement.
  void Check(Scene& scene);
  // Every script of the revision was read.
  void EndRevision(const Revision& revision, const LintOptions& options,
                   std::vector<LintFinding>& findings);
  void EndPlan(std::vector<LintFinding>& findings);

 private:
  void CheckPhase(Scene& scene);
  void CheckGate(Scene& scene);
  void CheckDependents(Scene& scene);
  void CheckRows(Scene& scene);
  void NoteLocks(const Scene& scene);
  bool DependsOn(const Revision& revision, const Revision& other) const;

  std::set<std::string> made_;     // views, functions, types that the script creates
  std::set<std::string> granted_;  // relations on which it grants
  bool destroys_ = false;          // the revision takes something away that was there
  std::set<int> unchecked_;        // steps that change rows without an expectation
  std::map<std::string, const Revision*, std::less<>> revisions_;  // of the plan, by id
  std::map<std::string, std::vector<const Revision*>> locked_;     // strong, by relation
};

}  // namespace lockstep::migration
