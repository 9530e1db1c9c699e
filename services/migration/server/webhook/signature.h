// How a receiver knows that an event is ours and fresh.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep::migration::webhook {

// Name of the header.
inline constexpr char kSignatureHeader[] = "Lockstep-Signature";

// "t=1735689600,v1=<hex>": HMAC-SHA-256 with `key` over "<unix_seconds>.<body>". The time is part
// of it, so that a receiver can refuse what was recorded and sent again. Pure.
[[nodiscard]] std::string SignatureOf(std::string_view key, std::int64_t unix_seconds,
                                      std::string_view body);

}  // namespace lockstep::migration::webhook
