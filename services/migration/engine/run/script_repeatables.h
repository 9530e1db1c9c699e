// Repeatable definitions in the offline scripts (script_renderer.h). Pure.
//
// Without a database nobody knows what is applied, so an upgrade to the heads of every service
// applies all definitions, which is harmless. What only the engine can do: drop what vanished, make
// a view with other columns again together with what needs it, set aside and put back.
#pragma once

#include <string>

#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/verifier.h"

namespace lockstep::migration {

// Of an upgrade: every definition as a transaction like a step's, or "" when `plan` does not lead
// to the heads of every service. Adds what they touch to `touched`.
std::string RepeatablesScript(const Graph& graph, const Plan& plan, Touched& touched);

// Of a downgrade: raises when a definition is applied that the undos could meet.
std::string NoRepeatablesScript();

}  // namespace lockstep::migration
