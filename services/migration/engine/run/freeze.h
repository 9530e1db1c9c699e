// Freeze windows: times during which no run may change the database.
//
// A window is open from its creation until its end by the database's clock, unless it is lifted
// before. While one is open, upgrades, downgrades, stamps, restorations and purges are refused, and
// a run that is at work ends before its next step; plans, verifications and amendments go on.
// Windows are never deleted: the ledger says who held what, when and why.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace lockstep::migration {

struct Freeze {
  std::string id;  // a UUID
  std::string reason;
  std::string actor;  // who opened it
  std::string host;   // from where
  absl::Time created_at;
  absl::Time ends_at;
  std::optional<absl::Time> lifted_at;  // nullopt = nobody ended it before its time
  std::string lifted_by;                // "" likewise
  bool is_open = false;                 // holds runs now
};

// Exactly one of `ends_at` and `lasts` is set.
struct FreezeOptions {
  std::string id = {};      // a UUID; "" = a new one
  std::string reason = {};  // required, at most 1,000 bytes
  std::optional<absl::Time> ends_at = std::nullopt;
  std::optional<absl::Duration> lasts = std::nullopt;  // from now by the database's clock
};

// The longest freeze, so that one with a mistyped year does not hold runs for good.
inline constexpr absl::Duration kLongestFreeze = absl::Hours(24 * 366);

}  // namespace lockstep::migration
