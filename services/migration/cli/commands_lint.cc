// lint: what SQL would do to those who use the database meanwhile.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/status/error.h"
#include "services/migration/api/lint.h"
#include "services/migration/cli/commands.h"
#include "services/migration/cli/lint_input.h"
#include "services/migration/cli/lint_output.h"
#include "services/migration/cli/lint_sarif.h"
#include "services/migration/engine/lint/rule_page.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::cli {
namespace {

struct LintFlags {
  std::vector<std::string> paths;
  std::string target;
  std::string since;
  std::string format = "human";
  std::string fail_on = "error";
  std::string explain;
  std::string server_version;
  bool is_live = false;
  bool lists_rules = false;
  bool inside = false;
  bool alone = false;
};

int Explain(const std::string& rule, const Output& output) {
  const migration::RulePage* const page = migration::FindRule(rule);
  if (page == nullptr) {
    return Finish(InvalidField("--explain", "LINT_RULE_UNKNOWN",
                               "there is no rule " + rule + "; lockstep lint --rules lists them"),
                  output);
  }
  output.Line(page->markdown);
  return 0;
}

int ListRules(const Output& output) {
  std::vector<std::vector<std::string>> rows;
  for (const migration::RulePage& page : migration::RulePages()) {
    rows.push_back({std::string(page.id), std::string(page.name), std::string(page.title)});
  }
  output.Table({"RULE", "NAME", "WHAT"}, rows);
  return 0;
}

// "14.2" -> 140002, "15" -> 150099, "" -> 0.
absl::StatusOr<int> VersionNumber(const std::string& version) {
  if (version.empty()) return 0;
  const std::vector<std::string> parts = absl::StrSplit(version, '.');
  int major = 0;
  // The newest one, where only the major version is given.
  int minor = 99;
  const bool is_number = absl::SimpleAtoi(parts[0], &major) &&
                         (parts.size() < 2 || absl::SimpleAtoi(parts[1], &minor));
  if (!is_number || parts.size() > 2 || major < 10 || major > 99 || minor < 0 || minor > 99) {
    return InvalidField("--server-version", "SERVER_VERSION_INVALID",
                        "\"" + version + "\" is no version of PostgreSQL, such as 15 or 14.2");
  }
  return major * 10'000 + minor;
}

absl::StatusOr<pb::LintResponse> LintLive(const Session& session, const LintFlags& flags) {
  auto backend = session.Connect();
  if (!backend.ok()) return backend.status();
  pb::LintRequest request;
  if (flags.paths.empty()) {
    request.set_target(flags.target);
    return (*backend)->Lint(request);
  }
  const auto scripts = ReadSqlFiles(flags.paths);
  if (!scripts.ok()) return scripts.status();
  for (const migration::Script& script : *scripts) {
    pb::LintFile* const file = request.add_files();
    file->set_name(script.file);
    file->set_content(script.text);
  }
  if (flags.inside) request.set_plain_files(pb::PLAIN_FILES_INSIDE_TRANSACTION);
  if (flags.alone) request.set_plain_files(pb::PLAIN_FILES_ALONE);
  return (*backend)->Lint(request);
}

absl::StatusOr<pb::LintResponse> LintAsked(const Session& session, const LintFlags& flags) {
  // Without a path there is only what the next upgrade would run to look at.
  if (flags.paths.empty() || flags.is_live) return LintLive(session, flags);
  LintInput input;
  input.paths = flags.paths;
  input.since = flags.since;
  const absl::StatusOr<int> version = VersionNumber(flags.server_version);
  if (!version.ok()) return version.status();
  input.server_version = *version;
  if (flags.inside) input.plain_files = migration::PlainFiles::kInside;
  if (flags.alone) input.plain_files = migration::PlainFiles::kAlone;
  const auto report = LintPaths(input);
  if (!report.ok()) return report.status();
  return migration::ToProto(*report);
}

bool Fails(const pb::LintResponse& response, const std::string& fail_on) {
  if (fail_on == "never") return false;
  const pb::LintLevel least = fail_on == "note"      ? pb::LINT_LEVEL_NOTE
                              : fail_on == "warning" ? pb::LINT_LEVEL_WARNING
                                                     : pb::LINT_LEVEL_ERROR;
  return std::any_of(response.findings().begin(), response.findings().end(),
                     [&](const pb::LintFinding& finding) {
                       return finding.level() >= least && finding.suppressed_because().empty();
                     });
}

void Summarise(const pb::LintResponse& response, const Output& output) {
  output.Progress(CountText(response.findings()) + " in " +
                  std::to_string(response.statement_count()) + " statements");
  if (response.unreadable_file_count() > 0) {
    output.Progress(std::to_string(response.unreadable_file_count()) +
                    " files could not be read by PostgreSQL's parser: nothing in them was checked");
  }
  if (!response.findings().empty()) {
    output.Progress("lockstep lint --explain RULE says what a rule is about");
  }
}

int RunLint(const Session& session, const Output& output, const LintFlags& flags) {
  if (!flags.explain.empty()) return Explain(flags.explain, output);
  if (flags.lists_rules) return ListRules(output);
  const auto response = LintAsked(session, flags);
  if (!response.ok()) return Finish(response.status(), output);
  if (output.json() || flags.format == "json") {
    output.Json(*response);
  } else if (flags.format == "sarif") {
    output.Line(SarifDocument(*response, LOCKSTEP_VERSION));
  } else {
    ShowFindings(response->findings(), pb::LINT_LEVEL_NOTE, output);
  }
  Summarise(*response, output);
  return Fails(*response, flags.fail_on) ? static_cast<int>(migration::ExitClass::kFailed) : 0;
}

}  // namespace

void AddLintCommands(CLI::App& app, Action& action) {
  auto flags = std::make_shared<LintFlags>();
  auto* lint = app.add_subcommand(
      "lint", "what SQL would do to those who use the database: locks, scans, rewrites, breakage");
  lint->add_option("path", flags->paths,
                   "migrations folder, folder or file of SQL, or - for the standard input; without "
                   "one: what the next upgrade would run, against the live catalog");
  lint->add_option("--target", flags->target, "without a path: of the upgrade (head)");
  lint->add_option("--since", flags->since,
                   "of a migrations folder only what this release or revision has not");
  lint->add_flag("--live", flags->is_live,
                 "look at files against the live catalog, through --endpoint or --direct");
  lint->add_option("--server-version", flags->server_version, "the target server: 14, 14.2, 15");
  lint->add_option("--format", flags->format, "human, json or sarif")
      ->check(CLI::IsMember({"human", "json", "sarif"}));
  lint->add_option("--fail-on", flags->fail_on,
                   "exit 1 from this level on: error, warning, note; never")
      ->check(CLI::IsMember({"error", "warning", "note", "never"}));
  auto* inside =
      lint->add_flag("--in-transaction", flags->inside, "files are run inside a transaction");
  lint->add_flag("--no-transaction", flags->alone, "files are run statement by statement")
      ->excludes(inside);
  lint->add_option("--explain", flags->explain, "print the page of a rule, by id or name");
  lint->add_flag("--rules", flags->lists_rules, "list the rules");
  lint->callback([&action, flags] {
    action = [flags](const Session& session, const Output& output) {
      return RunLint(session, output, *flags);
    };
  });
}

}  // namespace lockstep::cli
