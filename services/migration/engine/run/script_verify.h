// The last part of the offline scripts (script_renderer.h): the verifications of what was touched.
// Pure; the same choice and the same words as run_verification.h.
#pragma once

#include <string>

#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/verifier.h"

namespace lockstep::migration {

// Runs what has to hold in `after`, the state at the end of the script, and reads what was touched;
// which views do so is asked there. Raises at the first violation; what reads a table or column
// that was dropped in order is skipped and said so. "" when there is nothing to check.
std::string VerificationsScript(const Graph& graph, const AppliedState& after,
                                const Touched& touched);

}  // namespace lockstep::migration
