// Reads a command line. Wraps the flag parser, so that nobody else needs it. Private to
// common/config.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/settings.h"

namespace lockstep::config::internal {

struct Flag {
  std::string name;  // with its dashes
  std::string help;
  bool is_switch = false;  // --name means --name=true
};

struct CommandLine {
  Request request = Request::kRun;
  std::string config_path;                    // of --config, or empty
  std::map<std::string, std::string> values;  // by name of the flag, only those that were given
  std::string help_text;
};

// Knows --help, --version, --config and --print-config besides `flags`. INVALID_ARGUMENT
// (CONFIG_INVALID) for unknown or repeated flags, missing values and further arguments.
[[nodiscard]] absl::StatusOr<CommandLine> ParseCommandLine(const std::string& program,
                                                           const std::string& description,
                                                           const std::vector<Flag>& flags,
                                                           std::span<const std::string> args);

}  // namespace lockstep::config::internal
