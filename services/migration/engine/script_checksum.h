// The checksum of text whose tokens are known already. Internal to sql and checksum.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/tokens.h"

namespace lockstep::migration {

// As TextChecksum; `tokens` are what ScanTokens() said about `text`.
std::string TokensChecksum(std::string_view text, const std::optional<std::vector<Token>>& tokens);

}  // namespace lockstep::migration
