// The ledger's own tables and functions, as SQL, and how they grow.
//
// The ledger lives in schema `migration`, belongs to lockstep_migrator, is created by bootstrap and
// stays when everything else is undone. It cannot be a revision (it records them), so it versions
// itself: `LedgerUpgrades()[n]` brings version n to n + 1. Entries are never changed once released;
// a change is a new entry.
#pragma once

#include <string_view>
#include <vector>

namespace lockstep::migration {

// SQL of each version, oldest first; run as lockstep_migrator, each in one transaction.
const std::vector<std::string_view>& LedgerUpgrades();

// The version that this engine works with.
int LedgerVersion();

// SQLSTATEs that the ledger's functions raise.
inline constexpr char kLeaseLostState[] = "LSL01";
inline constexpr char kTamperedState[] = "LST01";
inline constexpr char kCheckUnsureState[] =
    "LST02";  // the cheap check cannot tell: run the step with the full one
inline constexpr char kRequiredByInstanceState[] = "LSI01";
inline constexpr char kGateChangedState[] = "LSC01";
inline constexpr char kHeadsDifferState[] = "LSH01";
inline constexpr char kExpectationFailedState[] = "LSE01";
inline constexpr char kVerificationFailedState[] = "LSV01";
inline constexpr char kGuardRefusedState[] = "LSG01";

}  // namespace lockstep::migration
