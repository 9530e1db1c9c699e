// The functions of the ledger, version 1: what the runner and the offline scripts call in the
// messages of a step.
#pragma once

#include <string_view>

namespace lockstep::migration {

std::string_view LedgerFunctions();

}  // namespace lockstep::migration
