// Findings as SARIF 2.1.0, which code hosting sites show beside the lines.
#pragma once

#include <string>

#include "lockstep/migration/v1/lint.pb.h"

namespace lockstep::cli {

// One document with the rules that spoke and where. `version` is this program's.
std::string SarifDocument(const lockstep::migration::v1::LintResponse& response,
                          const std::string& version);

}  // namespace lockstep::cli
