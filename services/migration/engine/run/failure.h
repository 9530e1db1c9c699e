// What a failed command means to the person or script that ran it (surface.md "Exit codes").
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/status/error.h"

namespace lockstep::migration {

enum class ExitClass {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kDrift = 3,
  kPending = 4,
  kBlocked = 5,
  kInProgress = 6,
  kUnknown = 7,
  kNotPermitted = 8,
  kUnreachable = 9,
  kHistory = 10,
};

// Decides by code and reason; every status of the engine falls into one class. Pure.
ExitClass ExitClassOf(const absl::Status& status);

// What the server said about the SQL of a migration, in one line: "42P01 relation ... does not
// exist (at ...)". People who run migrations own that SQL and need to see it. The status's own
// message when the server said nothing.
std::string DescribeDatabaseError(const absl::Status& status);

// A database error of a script as an error of the engine: FAILED_PRECONDITION/UNAVAILABLE/...,
// reason `reason`, metadata "sqlstate" and "database_error", message `what` + what the server said.
absl::Status ScriptError(std::string_view reason, std::string_view what, const absl::Status& cause);

}  // namespace lockstep::migration
