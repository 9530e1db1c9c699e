// The functions of the ledger: what the runner and the offline scripts call in the messages of a
// step. Each version's text is frozen; the next one replaces functions by name and arguments.
#pragma once

#include <string_view>

namespace lockstep::migration {

std::string_view LedgerFunctions1();
std::string_view LedgerFunctions2();
// Version 4: the table of freeze windows.
std::string_view LedgerFreezes();
// Tables and functions of repeatable definitions.
std::string_view LedgerRepeatables();

}  // namespace lockstep::migration
