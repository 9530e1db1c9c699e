// When an event counts as delivered, when it is sent again, and when it is given up. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace lockstep::migration::webhook {

enum class Verdict {
  kDelivered,
  kRetry,    // the receiver may take it later
  kRefused,  // it will hardly ever take it
};

// Of the status of an answer; 0 = there was none. 2xx: delivered. 408, 429, 5xx and none: retry.
// The rest is refused, redirects included: they are not followed, since the key's holder chose the
// address.
[[nodiscard]] Verdict VerdictOf(int http_status);

// How often something refused is sent. More than once, because a receiver that is being set up or
// rolled out refuses, too.
inline constexpr int kRefusedAttempts = 3;

// Whether an event is given up after `attempts` failed ones.
[[nodiscard]] bool IsGivenUp(Verdict verdict, int attempts, int max_attempts);

inline constexpr absl::Duration kFirstDelay = absl::Seconds(1);
inline constexpr absl::Duration kLongestDelay = absl::Minutes(5);

// Pause after the `attempts`-th failed attempt (1, 2, ...): doubles up to kLongestDelay, and
// `random` (0 to 1) takes away up to half of it. A receiver that asks for more (`retry_after`) gets
// that, up to kLongestDelay.
[[nodiscard]] absl::Duration DelayAfter(int attempts, double random,
                                        absl::Duration retry_after = absl::ZeroDuration());

// Whether one of `patterns` names `kind`: the kind itself, or its beginning and "*".
[[nodiscard]] bool IsWanted(const std::vector<std::string>& patterns, std::string_view kind);

}  // namespace lockstep::migration::webhook
