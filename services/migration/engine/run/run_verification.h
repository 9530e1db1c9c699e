// The end of a run: what it touched is verified, and what earlier runs touched that ended before
// they came to that.
#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/verifier.h"

namespace lockstep::migration {

// What earlier runs have done and nobody verified.
struct Leftovers {
  std::set<std::string> runs;
  Touched touched;
};

// A query whether there is anything of that kind, as has_any.
std::string UnverifiedRunsSql();

// Tells in the log of the run which runs it finds.
absl::StatusOr<Leftovers> FindLeftovers(RunSession& session);

// Verifies and records, once for every run of `left`. VERIFICATION_FAILED; VERIFICATION_BLOCKED
// when nothing fails but a check could not be decided: then the next run does it all again.
absl::Status VerifyTouched(RunSession& session, Touched touched, const Leftovers& left,
                           RunReport& report);

}  // namespace lockstep::migration
