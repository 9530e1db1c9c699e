// Whole files in and out, without exceptions and without the cost of streams. Internal to the
// engine.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lockstep::migration {

// The bytes of a regular file; nullopt when it cannot be read.
std::optional<std::string> ReadWholeFile(const std::string& path);

// Writes a file that appears whole or not at all: a temporary file beside it, renamed. `mode` as
// for open(2).
bool WriteWholeFile(const std::string& path, std::string_view bytes, unsigned mode);

}  // namespace lockstep::migration
