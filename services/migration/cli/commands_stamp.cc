// stamp: what is there is recorded without running anything; --from-tool: as another tool wrote it
// down.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "common/status/error.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/importer/adoption.h"
#include "services/migration/importer/tool_ledger.h"

namespace lockstep::cli {
namespace {

struct StampFlags {
  std::string target;
  std::string tool;  // "" = `target` says what is applied
  std::string service;
  std::string table;
  bool transfer_ownership = false;
  bool accept_differences = false;
};

using migration::AdoptionOptions;
using migration::AdoptionReport;

// What has to be looked at before anything is recorded; 0 = nothing.
int Verdict(const AdoptionReport& report) {
  if (report.was_stamped) return 0;
  const bool differs = !report.differences.empty() && !migration::IsOnlyMild(report.differences);
  return static_cast<int>(differs ? migration::ExitClass::kDrift : migration::ExitClass::kBlocked);
}

void PrintJson(const AdoptionReport& report, const Output& output) {
  auto differences = nlohmann::ordered_json::array();
  for (const auto& difference : report.differences) {
    differences.push_back({{"kind", difference.kind},
                           {"name", difference.name},
                           {"severity", std::string(migration::ToText(difference.severity))},
                           {"text", difference.text()}});
  }
  output.Json(JsonText(nlohmann::ordered_json({{"target", report.target},
                                               {"applied", report.applied},
                                               {"imported", report.imported},
                                               {"bootstrapped", report.bootstrapped},
                                               {"differences", differences},
                                               {"foreign", report.foreign},
                                               {"was_transferred", report.was_transferred},
                                               {"was_stamped", report.was_stamped}}),
                       1));
}

void PrintText(const AdoptionReport& report, const Output& output) {
  for (const auto& difference : report.differences) {
    output.Line(std::string(migration::ToText(difference.severity)) + ": " + difference.text());
  }
  if (!report.was_transferred) {
    for (const std::string& what : report.foreign) output.Line("not the service's: " + what);
  }
}

void Explain(const AdoptionReport& report, const StampFlags& flags, const Output& output) {
  for (const std::string& line : report.bootstrapped) output.Progress(line);
  output.Progress(flags.tool + " has " + std::to_string(report.applied) + " of " +
                  std::to_string(report.imported) + " imported migrations: " + report.target);
  if (report.was_transferred) {
    output.Progress(std::to_string(report.foreign.size()) + " objects given to " + flags.service +
                    "_owner");
  }
  if (report.was_stamped) {
    output.Progress("recorded; lockstep upgrade goes on from here");
  } else if (Verdict(report) == static_cast<int>(migration::ExitClass::kDrift)) {
    output.Progress(
        "nothing was recorded: the schema is not what these migrations make; bring it in "
        "order, or accept it with --accept-differences");
  } else {
    output.Progress(
        "nothing was recorded: the service's owner has to own what it is to change; give "
        "it to him with --transfer-ownership");
  }
}

int StampTarget(const Session& session, const Output& output, const std::string& target) {
  auto backend = session.Connect();
  if (!backend.ok()) return Finish(backend.status(), output);
  auto run = (*backend)->Stamp(target);
  if (!run.ok()) return Finish(run.status(), output);
  if (output.json()) {
    output.Json(*run);
  } else {
    output.Line("stamped " + target + " without running anything, run " +
                run->name().substr(run->name().find('/') + 1));
  }
  return 0;
}

int Adopt(const Session& session, const Output& output, const StampFlags& flags) {
  if (session.options.direct_url.empty()) {
    return Finish(
        InvalidField("--direct", "FLAG_REQUIRED",
                     "stamp --from-tool needs --direct DSN, and an administrator there or "
                     "as --admin-url: it compares with a scratch database"),
        output);
  }
  const auto definitions = migration::LoadDefinitions(session.options.migrations_dir);
  if (!definitions.ok()) return Finish(definitions.status(), output);
  AdoptionOptions options;
  options.engine.database_url = session.options.direct_url;
  options.engine.admin_url = session.options.admin_url;
  options.engine.actor = session.options.actor;
  options.format = *migration::ParseHistoryFormat(flags.tool);
  options.service = flags.service;
  options.tool_table = flags.table;
  options.transfer_ownership = flags.transfer_ownership;
  options.accept_differences = flags.accept_differences;
  migration::NullEventSink sink;
  const auto report =
      migration::AdoptDatabase(Context::WithTimeout(absl::Hours(1)), *definitions, options, sink);
  if (!report.ok()) return Finish(report.status(), output);
  if (output.json()) {
    PrintJson(*report, output);
  } else {
    PrintText(*report, output);
  }
  Explain(*report, flags, output);
  return Verdict(*report);
}

int Stamp(const Session& session, const Output& output, const StampFlags& flags) {
  if (!flags.tool.empty()) return Adopt(session, output, flags);
  if (!flags.target.empty()) return StampTarget(session, output, flags.target);
  return Finish(
      InvalidField("TARGET", "FLAG_REQUIRED", "say what is applied, or who knows: --from-tool"),
      output);
}

void AddAdoptFlags(CLI::App* stamp, StampFlags& flags) {
  auto* tool =
      stamp
          ->add_option("--from-tool", flags.tool,
                       "instead of a TARGET: what this tool recorded in the database; needs "
                       "--direct, and its history imported")
          ->check(CLI::IsMember(migration::ToolsWithLedger()));
  auto* service = stamp->add_option("--service", flags.service,
                                    "with --from-tool: the service that the history belongs to");
  service->needs(tool);
  tool->needs(service);
  stamp
      ->add_option("--tool-table", flags.table,
                   "with --from-tool: schema.table where the tool keeps its records")
      ->needs(tool);
  stamp
      ->add_flag("--transfer-ownership", flags.transfer_ownership,
                 "with --from-tool: give the objects of the history to the service's owner role")
      ->needs(tool);
  stamp
      ->add_flag("--accept-differences", flags.accept_differences,
                 "with --from-tool: record although the schema is another one")
      ->needs(tool);
}

}  // namespace

void AddStampCommands(CLI::App& app, Action& action) {
  auto* stamp = app.add_subcommand("stamp", "records a target as applied without running anything");
  auto flags = std::make_shared<StampFlags>();
  AddTargetOption(stamp, flags->target);
  AddAdoptFlags(stamp, *flags);
  stamp->callback([&action, flags] {
    action = [flags](const Session& session, const Output& output) {
      return Stamp(session, output, *flags);
    };
  });
}

}  // namespace lockstep::cli
