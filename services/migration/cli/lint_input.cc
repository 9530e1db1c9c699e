#include "services/migration/cli/lint_input.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/lint/plan_lint.h"
#include "services/migration/engine/sql.h"
#include "services/migration/engine/target.h"

namespace lockstep::cli {
namespace {

namespace fs = std::filesystem;
using migration::LintReport;
using migration::LintUnit;
using migration::Script;

constexpr char kReleases[] = "releases.textproto";

absl::Status BadPath(const std::string& path, std::string_view why) {
  return InvalidField("PATH", "LINT_PATH_INVALID", path + " " + std::string(why));
}

absl::StatusOr<Script> ReadSqlFile(const std::string& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream in(path, std::ios::binary);
    if (!in) return BadPath(path, "cannot be read");
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  return migration::ReadScript(path == "-" ? "stdin" : path, text);
}

// Every *.sql file below a folder, sorted.
absl::StatusOr<std::vector<std::string>> SqlFilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    if (error) break;
    std::error_code unreadable;
    const std::string extension = absl::AsciiStrToLower(std::string(it->path().extension()));
    if (it->is_regular_file(unreadable) && extension == ".sql") files.push_back(it->path());
  }
  if (error) return BadPath(folder, "cannot be read: " + error.message());
  if (files.empty()) return BadPath(folder, "has no .sql file in it");
  std::sort(files.begin(), files.end());
  return files;
}

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// Absolute, without "." and a slash at the end.
fs::path Plain(const fs::path& path) {
  const fs::path plain = fs::absolute(path).lexically_normal();
  return plain.has_filename() ? plain : plain.parent_path();
}

// The migrations folder to which a folder of a service or of a revision, or a file of it, belongs;
// "" = none.
fs::path RootOf(const fs::path& path) {
  fs::path folder = path;
  for (int up = 0; up < 4 && folder.has_relative_path(); ++up, folder = folder.parent_path()) {
    if (Exists(folder / kReleases)) return folder;
  }
  return "";
}

void Append(LintReport more, LintReport& report) {
  std::move(more.findings.begin(), more.findings.end(), std::back_inserter(report.findings));
  report.statements += more.statements;
  report.unreadable_files += more.unreadable_files;
}

// Reads migrations folders and plain files, one after the other.
class PathLinter {
 public:
  explicit PathLinter(const LintInput& input) : input_(input) {
    options_.plain_files = input.plain_files;
    options_.today = migration::LintToday();
    model_.server_version = input.server_version;
  }

  absl::Status Look(const std::string& path);
  LintReport Take() { return std::move(report_); }

 private:
  absl::Status LookAtMigrations(const fs::path& root, const fs::path& only);
  absl::Status LookAtFile(const std::string& path);
  // Positions of the revisions that are told about.
  absl::StatusOr<std::set<std::string>> Wanted(const migration::Graph& graph, const fs::path& root,
                                               const fs::path& only) const;

  const LintInput& input_;
  migration::LintOptions options_;
  migration::SchemaModel model_;  // of plain files
  LintReport report_;
};

absl::Status PathLinter::Look(const std::string& path) {
  if (path == "-") return LookAtFile(path);
  if (!Exists(path)) return BadPath(path, "does not exist");
  const fs::path plain = Plain(path);
  const fs::path root = RootOf(plain);
  if (!root.empty()) return LookAtMigrations(root, plain == root ? fs::path() : plain);
  if (!IsFolder(path)) return LookAtFile(path);
  ASSIGN_OR_RETURN(const std::vector<std::string> files, SqlFilesBelow(path));
  for (const std::string& file : files) RETURN_IF_ERROR(LookAtFile(file));
  return absl::OkStatus();
}

absl::Status PathLinter::LookAtFile(const std::string& path) {
  ASSIGN_OR_RETURN(const Script script, ReadSqlFile(path));
  Append(migration::Lint({{.script = &script}}, options_, model_), report_);
  model_.Settle();
  return absl::OkStatus();
}

absl::StatusOr<std::set<std::string>> PathLinter::Wanted(const migration::Graph& graph,
                                                         const fs::path& root,
                                                         const fs::path& only) const {
  std::set<std::size_t> known;
  if (!input_.since.empty()) {
    ASSIGN_OR_RETURN(const migration::Target since,
                     migration::ResolveTarget(graph, input_.since, {}));
    known.insert(since.members.begin(), since.members.end());
  }
  std::set<std::string> wanted;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const std::string folder = Plain(root / graph.at(i).folder);
    // A folder of a service has its revisions in it, and a revision the file.
    const bool is_asked = only.empty() || folder == only ||
                          folder.starts_with(std::string(only) + "/") ||
                          std::string(only).starts_with(folder + "/");
    if (is_asked && !known.contains(i)) wanted.insert(graph.at(i).id);
  }
  return wanted;
}

absl::Status PathLinter::LookAtMigrations(const fs::path& root, const fs::path& only) {
  ASSIGN_OR_RETURN(const migration::Definitions definitions,
                   migration::LoadDefinitions(std::string(root)));
  const migration::Graph graph(definitions);
  ASSIGN_OR_RETURN(const std::set<std::string> wanted, Wanted(graph, root, only));
  std::vector<std::set<std::string>> plans;
  std::set<std::string> released;
  for (const migration::Release& release : definitions.releases) {
    plans.emplace_back(release.revisions.begin(), release.revisions.end());
    released.insert(release.revisions.begin(), release.revisions.end());
  }
  std::set<std::string>& open = plans.emplace_back();
  for (const migration::Revision& revision : definitions.revisions) {
    if (!released.contains(revision.id)) open.insert(revision.id);
  }
  migration::SchemaModel model;
  model.server_version = input_.server_version;
  for (const std::set<std::string>& plan : plans) {
    std::vector<LintUnit> units;
    for (const migration::Revision& revision : definitions.revisions) {
      if (!plan.contains(revision.id)) continue;
      for (const LintUnit& unit : migration::UnitsOf(revision)) units.push_back(unit);
    }
    LintReport report = migration::Lint(units, options_, model);
    model.Settle();
    std::erase_if(report.findings, [&](const migration::LintFinding& finding) {
      const bool is_other_file =
          fs::is_regular_file(only) &&
          fs::absolute(root / finding.file).lexically_normal() != only.lexically_normal();
      return !wanted.contains(finding.revision) || is_other_file;
    });
    for (migration::LintFinding& finding : report.findings) {
      finding.file = std::string(fs::absolute(root / finding.file)
                                     .lexically_normal()
                                     .lexically_proximate(fs::current_path()));
    }
    Append(std::move(report), report_);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LintReport> LintPaths(const LintInput& input) {
  PathLinter linter(input);
  for (const std::string& path : input.paths) RETURN_IF_ERROR(linter.Look(path));
  return linter.Take();
}

absl::StatusOr<std::vector<Script>> ReadSqlFiles(const std::vector<std::string>& paths) {
  std::vector<Script> scripts;
  for (const std::string& path : paths) {
    std::vector<std::string> files = {path};
    if (IsFolder(path)) {
      ASSIGN_OR_RETURN(files, SqlFilesBelow(path));
    }
    for (const std::string& file : files) {
      ASSIGN_OR_RETURN(Script script, ReadSqlFile(file));
      scripts.push_back(std::move(script));
    }
  }
  return scripts;
}

}  // namespace lockstep::cli
