// Steps of which the parser sees everything that they do, sent whole: what precedes them, their
// statements, the check that they stayed in their schemas, their rows in the ledger and COMMIT, in
// one message.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Whether a step up may run that way.
bool IsPlain(const StepTask& task);

// Runs them in one transaction, which may be left open when it fails. REQUIRES: all are plain, and
// have one owner and the same references. Of one step alone the event that it started is already
// told. SQL errors name the step and the line of its file, and `failed` gets the step's index;
// kCheckUnsureState when the cheap check does not do; LEASE_LOST; what MayGoOn says.
absl::Status RunPlainSteps(RunSession& session, absl::Span<const StepTask> tasks,
                           const Limits& limits, std::optional<std::size_t>* failed = nullptr);

// "orders/84bc_x/up.sql:12: 42P01 relation ..." for the statement of the script that failed,
// counted from 0.
absl::Status AtStatement(const StepTask& task, int index, const absl::Status& status);

}  // namespace lockstep::migration
