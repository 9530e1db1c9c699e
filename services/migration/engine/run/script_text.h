// Pieces of the offline scripts (script_renderer.h): what the engine does between its messages,
// said in SQL. Pure.
//
// The script keeps what it must remember in settings of its session: lockstep.token, .holder, .run,
// .actor, and per transaction .baseline and .checks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/journal.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {

// A step as events and messages name it.
struct StepTaskText {
  const Revision& revision;
  const Step& step;
  Direction direction;
  std::string text() const;
  Happening Event(std::string kind, std::string message) const;
};

RunSql ScriptRunSql();

// Becomes the runner, or raises; records the run.
std::string TakeLeaseScript(std::string_view kind, std::string_view target);
// Raises unless exactly these revisions are applied.
std::string ExpectRevisionsScript(const std::vector<std::string>& revisions,
                                  const std::vector<std::string>& heads);
// Appends an event to the log; `suffix` is an SQL expression that is appended to the message.
std::string EventScript(const Happening& happening, std::string_view suffix = "");
// The events with which a step begins.
std::string StartedScript(const StepTaskText& task, const Script& script);
std::string SameArchiveScript(const Revision& revision, const Step& step);
std::string LockTablesScript(const std::vector<std::string>& tables);
std::string GuardScript(const Revision& revision, const std::string& statement);
std::string BaselineScript(const Boundary& boundary);
// Leaves the owner's role and raises when the step left its schemas.
std::string BoundaryScript(const Boundary& boundary, const std::string& state,
                           const std::string& task);
std::string ExpectationScript(const Revision& revision, const std::string& check_id,
                              const std::string& statement);
std::string CheckExpectationsScript(const StepTaskText& task);
std::string VerificationScript(const Revision& revision, const std::string& check_id,
                               const std::string& statement, bool may_be_gone);
std::string RecordChecksScript();
std::string IntentScript(const Revision& revision, const Step& step, Direction direction,
                         int number, const std::string& statement);
std::string ForgetIntentsScript(const Revision& revision, const Step& step, Direction direction);
std::string IndexIsValidScript(const IndexBuild& build);
// Ends the run and gives the lease back.
std::string FinishScript();

}  // namespace lockstep::migration
