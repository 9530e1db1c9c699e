// The functions of the ledger: what the runner and the offline scripts call in the messages of a
// step. Each version's text is frozen; the next one replaces functions by name and arguments.
#pragma once

#include <string_view>

namespace lockstep::migration {

std::string_view LedgerFunctions1();
std::string_view LedgerFunctions2();
// Version 4: the table of freeze windows.
std::string_view LedgerFreezes();
// Version 6: periods of leases, and when a migration service was last there.
std::string_view LedgerLeases();
// Version 7: what webhooks delivered, and indexes for figures about runs (ledger_webhooks.cc).
std::string_view LedgerWebhooks();
// Version 8: builds, gates and soaks.
std::string_view LedgerBuilds();
// Version 9: the table of backups.
std::string_view LedgerBackups();
// Version 10: tables and functions of repeatable definitions.
std::string_view LedgerRepeatables();
// Version 11: several plain steps in one transaction.
std::string_view LedgerPlainSteps();
// Version 12: rehearsals, and what a state should look like.
std::string_view LedgerProofs();
// Version 13: lock certificates.
std::string_view LedgerCertificates();
// Version 14: hashes that chain the entries of the history.
std::string_view LedgerChain();

}  // namespace lockstep::migration
