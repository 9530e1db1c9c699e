// Findings of the linter for a person.
#pragma once

#include "google/protobuf/repeated_field.h"
#include "lockstep/migration/v1/lint.pb.h"
#include "services/migration/cli/output.h"

namespace lockstep::cli {

using LintFindings = google::protobuf::RepeatedPtrField<lockstep::migration::v1::LintFinding>;

// Where, what, and what to write instead, which is told once for each rule. `least`: what is less
// bad is left out, and so is what was allowed.
void ShowFindings(const LintFindings& findings, lockstep::migration::v1::LintLevel least,
                  const Output& output);

// "1 error, 2 warnings, 3 notes, 1 allowed".
std::string CountText(const LintFindings& findings);

}  // namespace lockstep::cli
