// The verbs of the `lockstep` command. Each group adds its subcommands to the parser; the chosen
// one is run after parsing and returns the exit code (surface.md).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "services/migration/cli/backend.h"
#include "services/migration/cli/output.h"

namespace lockstep::cli {

// What a command may use. Valid until the program ends.
struct Session {
  GlobalOptions options;

  // The backend that the global flags ask for.
  absl::StatusOr<std::unique_ptr<Backend>> Connect(bool use_cache = false) const;
};

// Set by the chosen subcommand.
using Action = std::function<int(const Session&, const Output&)>;

void AddStateCommands(CLI::App& app, Action& action);  // current heads history releases show status
void AddRunCommands(CLI::App& app,
                    Action& action);                 // plan upgrade downgrade retry verify amend
void AddLogCommands(CLI::App& app, Action& action);  // runs run logs watch
void AddControlCommands(CLI::App& app, Action& action);  // backfills pause resume cancel rate
void AddArchiveCommands(CLI::App& app, Action& action);  // archives, archives restore|purge
void AddBackupCommands(CLI::App& app, Action& action);   // backup backups restore
void AddFreezeCommands(CLI::App& app, Action& action);   // freeze
void AddGateCommands(CLI::App& app, Action& action);     // gates, builds keep|release
void AddFleetCommands(CLI::App& app, Action& action);    // instances wait
void AddDoctorCommand(CLI::App& app, Action& action);    // doctor
void AddLintCommands(CLI::App& app, Action& action);     // lint
void AddProofCommands(CLI::App& app, Action& action);    // rehearse drift
void AddImportCommands(CLI::App& app, Action& action);   // import
void AddStampCommands(CLI::App& app, Action& action);    // stamp
void AddAuthorCommands(CLI::App& app, Action& action);   // bootstrap new index
void AddOrderCommands(CLI::App& app, Action& action);    // orders import|list, reconcile

// "-1" is a target, not a flag, but the parser would take it for one: main() puts this in front of
// it, and the option that takes a TARGET removes it again.
inline constexpr std::string_view kRelativeEscape = "relative:";

// The TARGET of a command. `target` must outlive the parsing.
CLI::Option* AddTargetOption(CLI::App* command, std::string& target);

// Before an upgrade to `target` that has something to do: makes a backup with --direct and tells
// where it is on stderr; "" = the default name. BACKUP_NEEDS_DIRECT, and those of TakeBackup().
absl::Status BackUpFirst(const Session& session, const Output& output, Backend& backend,
                         const std::string& target, const std::string& file);
// --backup [FILE]. `file` must outlive the parsing.
void AddBackupFlag(CLI::App* upgrade, std::optional<std::string>& file);

// Reports `status` and returns its exit code; 0 for OK.
int Finish(const absl::Status& status, const Output& output);

// One line for a person, coloured by what it is about.
std::string Describe(const lockstep::migration::v1::RunEvent& event, const Output& output);

}  // namespace lockstep::cli
