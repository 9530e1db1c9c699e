#include "common/config/flags.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "common/status/error.h"

namespace lockstep::config::internal {
namespace {

// The library wants the arguments last first, and takes an empty value only as an argument of its
// own.
std::vector<std::string> ForLibrary(std::span<const std::string> args) {
  std::vector<std::string> reversed;
  for (auto arg = args.rbegin(); arg != args.rend(); ++arg) {
    if (arg->starts_with("--") && arg->find('=') == arg->size() - 1) {
      reversed.emplace_back();
      reversed.push_back(arg->substr(0, arg->size() - 1));
    } else {
      reversed.push_back(*arg);
    }
  }
  return reversed;
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::string& program,
                                             const std::string& description,
                                             const std::vector<Flag>& flags,
                                             std::span<const std::string> args) {
  CLI::App app(description, program);
  CommandLine line;
  bool is_help = false;
  bool is_version = false;
  bool is_print = false;
  app.set_help_flag();  // Ours does not throw.
  app.add_flag("--help", is_help, "Show this text and exit.");
  app.add_flag("--version", is_version, "Show the version and exit.");
  app.add_flag("--print-config", is_print, "Show all settings, secrets masked, and exit.");
  app.add_option("--config", line.config_path, "JSON file with settings. [LOCKSTEP_CONFIG]");

  std::vector<std::string> values(flags.size());
  std::vector<CLI::Option*> options;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    options.push_back(flags[i].is_switch ? app.add_flag(flags[i].name, values[i], flags[i].help)
                                         : app.add_option(flags[i].name, values[i], flags[i].help));
  }
  try {
    app.parse(ForLibrary(args));
  } catch (const CLI::ParseError& error) {
    return Error(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID", error.what());
  }
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (options[i]->count() > 0) line.values.emplace(flags[i].name, std::move(values[i]));
  }
  line.help_text = app.help();
  if (is_print) line.request = Request::kPrintConfig;
  if (is_version) line.request = Request::kVersion;
  if (is_help) line.request = Request::kHelp;
  return line;
}

}  // namespace lockstep::config::internal
