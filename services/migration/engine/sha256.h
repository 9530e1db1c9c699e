// SHA-256, so that OpenSSL stays out of the engine's headers. Internal to checksum and
// definition_cache.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::migration {

// Lower-case hexadecimal SHA-256 of `bytes`.
std::string Sha256Hex(std::string_view bytes);

}  // namespace lockstep::migration
