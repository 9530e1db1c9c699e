#include "common/status/macros.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/lint/plan_lint.h"
#include "services/migration/engine/run/lint/schema_catalog.h"
#include "services/migration/engine/run/plan_notes.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {

absl::StatusOr<LintReport> Engine::LintUpgrade(const Context& context,
                                               std::string_view target) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(*connection, graph_));
  ASSIGN_OR_RETURN(const Plan plan, PlanUpgrade(graph_, state, target));
  return LintSteps(*connection, ComingUp(graph_, plan), Direction::kUp);
}

absl::StatusOr<LintReport> Engine::LintScripts(const Context& context,
                                               const std::vector<Script>& scripts,
                                               PlainFiles plain_files) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  ASSIGN_OR_RETURN(SchemaModel model, LoadSchemaModel(*connection));
  LintOptions lint;
  lint.plain_files = plain_files;
  lint.today = LintToday();
  std::vector<LintUnit> units;
  for (const Script& script : scripts) units.push_back({.script = &script});
  return Lint(units, lint, model);
}

}  // namespace lockstep::migration
