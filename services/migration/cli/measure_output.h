// What was measured on scratch databases, and what follows from it, for people.
#pragma once

#include <string>

#include "services/migration/cli/backend.h"
#include "services/migration/cli/output.h"

namespace lockstep::cli {

// "0.04 s".
std::string SecondsOf(const google::protobuf::Duration& duration);

// A table with a line for each step that was measured: its locks, what it writes anew and reads,
// how long it took. Nothing when there is none.
void ShowCertificates(const pb::RehearseResponse& response, const Output& output);

// A table with a line for each forecast of the plan. Nothing when there is none.
void ShowForecasts(const pb::PlanResponse& plan, const Output& output);

// What a sample was made of, and what it lacks.
void TellSample(const pb::RehearseResponse& response, const Output& output);

}  // namespace lockstep::cli
