// import: a history of another tool as revisions of ours.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/importer/importer.h"

namespace lockstep::cli {
namespace {

using migration::ImportedRevision;
using migration::ImportOptions;
using migration::ImportReport;
using migration::Problem;

struct ImportFlags {
  std::string format;
  std::string folder;
  std::string service;
  std::string target;
  std::vector<std::string> schemas;
  std::vector<std::string> placeholders;
  bool is_dry_run = false;
  bool allow_incomplete = false;
};

// "name=value"; a value may hold '='.
absl::StatusOr<std::map<std::string, std::string>> Placeholders(
    const std::vector<std::string>& given) {
  std::map<std::string, std::string> values;
  for (const std::string& text : given) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return InvalidField("--placeholder", "PLACEHOLDER_INVALID",
                          "\"" + text + "\" must be NAME=VALUE");
    }
    values[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return values;
}

nlohmann::ordered_json ToJson(const std::vector<Problem>& problems) {
  auto list = nlohmann::ordered_json::array();
  for (const Problem& problem : problems) {
    list.push_back({{"file", problem.file},
                    {"line", problem.line},
                    {"code", problem.code},
                    {"message", problem.message}});
  }
  return list;
}

void PrintJson(const ImportReport& report, const Output& output) {
  auto revisions = nlohmann::ordered_json::array();
  for (const ImportedRevision& revision : report.revisions) {
    revisions.push_back({{"id", revision.id},
                         {"folder", revision.folder},
                         {"title", revision.title},
                         {"source", revision.source},
                         {"steps", revision.steps},
                         {"irreversible_reason", revision.irreversible_reason},
                         {"is_new", revision.is_new}});
  }
  output.Json(JsonText(nlohmann::ordered_json({{"was_written", report.was_written},
                                               {"revisions", revisions},
                                               {"problems", ToJson(report.problems)},
                                               {"notes", ToJson(report.notes)},
                                               {"ignored", report.ignored}}),
                       1));
}

void PrintText(const ImportReport& report, const Output& output) {
  std::vector<std::vector<std::string>> rows;
  for (const ImportedRevision& revision : report.revisions) {
    if (!revision.is_new) continue;
    rows.push_back({revision.id, revision.source.empty() ? "-" : revision.source,
                    std::to_string(revision.steps),
                    revision.irreversible_reason.empty() ? "yes" : "no"});
  }
  if (!rows.empty()) output.Table({"REVISION", "FROM", "STEPS", "REVERSIBLE"}, rows);
  for (const Problem& note : report.notes) output.Progress("note: " + note.text());
  for (const std::string& file : report.ignored) output.Progress("ignored: " + file);
  for (const Problem& problem : report.problems) {
    output.Progress(output.PaintError(problem.text(), Colour::kRed));
  }
}

// One line about all of it.
std::string Summary(const ImportReport& report, const ImportFlags& flags) {
  int added = 0;
  for (const ImportedRevision& revision : report.revisions) added += revision.is_new ? 1 : 0;
  const std::string there =
      std::to_string(static_cast<int>(report.revisions.size()) - added) + " were there already";
  if (report.was_written) {
    return std::to_string(added) + " revisions written to " + flags.target + ", " + there;
  }
  if (!report.problems.empty()) {
    return "nothing was written: " + std::to_string(report.problems.size()) +
           " things cannot be carried over; mend the files, or leave those out with "
           "--allow-incomplete";
  }
  return std::to_string(added) + " revisions would be written to " + flags.target + ", " + there;
}

int Import(const Session& session, const Output& output, ImportFlags flags) {
  if (flags.target.empty()) flags.target = session.options.migrations_dir;
  ImportOptions options;
  options.folder = flags.folder;
  options.history.format = *migration::ParseHistoryFormat(flags.format);
  if (!flags.schemas.empty()) options.history.schemas = flags.schemas;
  auto placeholders = Placeholders(flags.placeholders);
  if (!placeholders.ok()) return Finish(placeholders.status(), output);
  options.history.placeholders = *std::move(placeholders);
  options.service = flags.service;
  options.target = flags.target;
  options.today = absl::ToCivilDay(absl::Now(), absl::UTCTimeZone());
  options.is_dry_run = flags.is_dry_run;
  options.allow_incomplete = flags.allow_incomplete;
  const auto report = migration::ImportHistory(options);
  if (!report.ok()) return Finish(report.status(), output);
  if (output.json()) {
    PrintJson(*report, output);
  } else {
    PrintText(*report, output);
  }
  output.Progress(Summary(*report, flags));
  return report->problems.empty() ? 0 : static_cast<int>(migration::ExitClass::kFailed);
}

}  // namespace

void AddImportCommands(CLI::App& app, Action& action) {
  auto* import = app.add_subcommand(
      "import", "turn the migrations of another tool into revisions of a service");
  auto flags = std::make_shared<ImportFlags>();
  import->add_option("--format", flags->format, "the tool whose layout the folder has")
      ->required()
      ->check(CLI::IsMember(migration::HistoryFormats()));
  import->add_option("folder", flags->folder, "folder of the history")->required();
  import->add_option("--service", flags->service, "service that owns what the history makes")
      ->required();
  import->add_option("--schema", flags->schemas,
                     "schema of names without one (default public); several make a search_path");
  import->add_option("--target", flags->target, "migrations folder to write to (--migrations)");
  import->add_option("--placeholder", flags->placeholders,
                     "NAME=VALUE for ${NAME} of Flyway and goose, :NAME of Sqitch");
  import->add_flag("--dry-run", flags->is_dry_run, "write nothing");
  import->add_flag("--allow-incomplete", flags->allow_incomplete,
                   "write what can be carried over though something cannot; still exits with 1");
  import->callback([&action, flags] {
    action = [flags](const Session& session, const Output& output) {
      return Import(session, output, *flags);
};
}  // namespace lockstep::cli
);
}

}  // namespace lockstep::cli
