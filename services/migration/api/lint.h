// Findings of the linter as the contract has them: for the server, and for the command that reads
// files without a server.
#pragma once

#include "lockstep/migration/v1/lint.pb.h"
#include "services/migration/engine/lint/lint.h"

namespace lockstep::migration {

v1::LintFinding ToProto(const LintFinding& finding);
v1::LintResponse ToProto(const LintReport& report);
PlainFiles FromProto(v1::PlainFiles plain_files);

}  // namespace lockstep::migration
