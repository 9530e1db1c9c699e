// Named restore points: where point-in-time recovery can stop just before something goes away.
//
// Before each step of a CONTRACT revision going up, a server that archives WAL gets a named restore
// point, so that an administrator can bring the cluster back to the moment before the step.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/plan_note.h"
#include "services/migration/engine/run/plan_notes.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// "lockstep 84bc4d8b03ef 2 1a2b3c4d": revision, ordinal of the step, start of the run's id. At most
// 63 bytes, which is what the server takes; a longer revision id is cut. Pure.
std::string RestorePointName(std::string_view revision, int ordinal, std::string_view run_id);

// Writes the restore point of a step that is about to run, with an event `restore_point` (details:
// name, lsn). Does nothing for an undo, for other phases, and where WAL is not archived. That the
// server refuses is a warning, not an error; the status is that of a lost connection.
absl::Status MarkRestorePoint(RunSession& session, const StepTask& task);

// What a plan says about its CONTRACT steps (kind "restore_point"): whether restore points are
// written. Nothing for a plan without such steps. `steps` go up.
void AddRestorePointNote(pg::Connection& connection, const std::vector<ComingStep>& steps,
                         std::vector<PlanNote>& notes);

}  // namespace lockstep::migration
