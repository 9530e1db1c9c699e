#include "services/migration/engine/run/script_repeatables.h"

#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/repeatable_ledger.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "services/migration/engine/run/repeatable_run.h"
#include "services/migration/engine/run/script_text.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {
namespace {

std::string OneScript(const Repeatable& repeatable, const std::vector<std::string>& heads,
                      const RepeatableTask& made) {
  const RunSql run = ScriptRunSql();
  const StepTaskText task{made.revision, made.step, Direction::kUp};
  const Boundary boundary = BoundaryOf(made.revision);
  const std::string role = OwnerRole(repeatable.service);
  std::string sql = "\n-- " + made.task.text() + "\n" + BeginSql(run, made.step.limits);
  sql += EventScript(task.Event("step_started", made.task.text())) + EnterRoleSql(role) +
         BaselineScript(boundary);
  sql += "\n-- " + repeatable.script.file + "\n" + JoinStatements(repeatable.script.statements);
  sql += kFireConstraints;
  sql += BoundaryScript(boundary, StateText(role, made.step.limits), made.task.text());
  sql += RecordRepeatableSql(run, repeatable, heads);
  sql += EventScript(task.Event("step_finished", made.task.text() + ": done"));
  return sql + "COMMIT;\n";
}

}  // namespace

std::string RepeatablesScript(const Graph& graph, const Plan& plan, Touched& touched) {
  std::string sql;
  if (!AreAllHeads(graph, plan.to_heads)) return sql;
  for (const Repeatable& repeatable : graph.definitions().repeatables) {
    const RepeatableTask made(repeatable.service, RepeatableId(repeatable.key()),
                              ToText(RepeatableAction::kApply), Direction::kUp, repeatable.script);
    sql += OneScript(repeatable, plan.to_heads, made);
    touched.Add(made.revision, repeatable.script);
  }
  return sql;
}

std::string NoRepeatablesScript() {
  return RaiseIfAnyScript(
      kHeadsDifferState,
      "SELECT service || '/' || name FROM migration.repeatables"
      " WHERE NOT is_set_aside ORDER BY 1 LIMIT 1",
      "repeatable definitions are applied, which only the engine can set aside and put back; run "
      "`lockstep downgrade` without --sql, with --direct where there is no service. The first is ");
}

}  // namespace lockstep::migration
