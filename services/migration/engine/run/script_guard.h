// The half of the offline scripts (script_renderer.h) that says no: guards and what must be known
// before the first undo. Pure; the same rules as undo.h, in SQL.
#pragma once

#include <string>
#include <vector>

#include "services/migration/engine/graph.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/script_text.h"

namespace lockstep::migration {

// The undo of one step, as far as its revision's guard is concerned.
struct ScriptUndo {
  const Revision& revision;
  const Step& step;
  bool is_first = false;             // the first step of the revision that is undone
  std::vector<const Script*> later;  // what is undone of the revision afterwards
};

// Before the down script, in the owner's role and the step's transaction: locks what goes, asks the
// guard and raises when it finds something. Where an earlier step took away what the guard reads,
// the step may take nothing but what the guard has seen. "" when there is nothing to ask.
std::string GuardScript(const ScriptUndo& undo);
// At the end of the step, in the migrator's role: the event that says that the guard is silent, if
// a later step has to rely on it.
std::string GuardSilentScript(const ScriptUndo& undo);

// Raises when the plan cannot be undone as this script would: archived scripts are others, running
// instances require a revision, or a guard refuses now and no undo before it may change what it
// finds. What only shows in its turn is asked in its turn.
std::string PreflightScript(const Graph& graph, const Plan& plan);

}  // namespace lockstep::migration
