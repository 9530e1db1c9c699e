// Pieces of the offline scripts (script_renderer.h): what the engine does between its messages,
// said in SQL. Pure.
//
// The script keeps what it must remember in settings of its session: lockstep.token, .holder, .run,
// .actor; .silent, what the guard of the revision at hand has seen (script_guard.h); and per
// transaction .baseline, .checks and such.
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
// A DO block that raises `state`, with what `query` returns (one column) behind `prefix`, when it
// returns anything.
std::string RaiseIfAnyScript(std::string_view state, const std::string& query,
                             const std::string& prefix);
// Raises unless exactly these revisions are applied, from the files as they are here.
std::string ExpectRevisionsScript(const std::vector<const Revision*>& revisions,
                                  const std::vector<std::string>& heads);
// SQL that completes an event when the script runs.
struct EventExtras {
  std::string_view suffix = {};        // appended to the message: " || <text>"
  std::string_view more_details = {};  // added to the details: an expression of type jsonb
  std::string_view condition = {};     // "" = always
};
// Appends an event to the log.
std::string EventScript(const Happening& happening, const EventExtras& extras = {});
// The events with which a step begins.
std::string StartedScript(const StepTaskText& task, const Script& script);
// Locks those of `tables` that exist, in one order for everybody.
std::string LockTablesScript(const std::vector<std::string>& tables, std::string_view mode);
std::string BaselineScript(const Boundary& boundary);
// Leaves the owner's role and raises when the step left its schemas.
std::string BoundaryScript(const Boundary& boundary, const std::string& state,
                           const std::string& task);
std::string ExpectationScript(const Revision& revision, const std::string& check_id,
                              const std::string& statement);
std::string CheckExpectationsScript(const StepTaskText& task);
std::string RecordChecksScript();
std::string IntentScript(const Revision& revision, const Step& step, Direction direction,
                         int number, const std::string& statement);
std::string ForgetIntentsScript(const Revision& revision, const Step& step, Direction direction);
std::string IndexIsValidScript(const IndexBuild& build);
// Ends the run and gives the lease back.
std::string FinishScript();

}  // namespace lockstep::migration
