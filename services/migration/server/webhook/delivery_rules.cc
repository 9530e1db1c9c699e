#include "services/migration/server/webhook/delivery_rules.h"

#include <algorithm>

namespace lockstep::migration::webhook {

Verdict VerdictOf(int http_status) {
  if (http_status >= 200 && http_status < 300) return Verdict::kDelivered;
  if (http_status < 200 || http_status >= 500) return Verdict::kRetry;
  return http_status == 408 || http_status == 429 ? Verdict::kRetry : Verdict::kRefused;
}

bool IsGivenUp(Verdict verdict, int attempts, int max_attempts) {
  const int most =
      verdict == Verdict::kRefused ? std::min(kRefusedAttempts, max_attempts) : max_attempts;
  return attempts >= most;
}

absl::Duration DelayAfter(int attempts, double random, absl::Duration retry_after) {
  // Beyond 2^20 the cap decides anyway.
  const int doublings = std::clamp(attempts - 1, 0, 20);
  const absl::Duration full = std::min(kFirstDelay * (1 << doublings), kLongestDelay);
  return std::clamp(retry_after, full * (1 - random / 2), kLongestDelay);
}

bool IsWanted(const std::vector<std::string>& patterns, std::string_view kind) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == kind;
    return kind.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

}  // namespace lockstep::migration::webhook
