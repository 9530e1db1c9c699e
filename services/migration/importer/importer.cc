#include "services/migration/importer/importer.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/files.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/step_sql.h"
#include "services/migration/importer/client_text.h"
#include "services/migration/importer/source_text.h"
#include "services/migration/importer/splitter.h"
#include "services/migration/importer/writer.h"

namespace lockstep::migration {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kReadableByAll = 0644;
constexpr char kSpecFile[] = "revision.textproto";

// Files whose text a reader looks at; of others only the name counts.
bool IsRead(const std::string& path) {
  for (const std::string_view end : {".sql", ".conf", ".toml", ".yaml", ".plan"}) {
    if (path.ends_with(end)) return true;
  }
  return false;
}

// revision.textproto without what depends on when and onto what a revision was imported.
std::string Comparable(std::string_view spec) {
  std::string kept;
  for (const SourceLine& line : LinesOf(spec)) {
    if (line.text.starts_with("down_revision: ") || line.text.starts_with("created: ")) continue;
    kept.append(line.text) += '\n';
  }
  return kept;
}

class Importer {
 public:
  explicit Importer(const ImportOptions& options) : options_(options) {}

  absl::StatusOr<ImportReport> Run();

 private:
  absl::Status ReadTarget();
  void MakeRevisions(const History& read);
  absl::Status CompareWithTarget();
  absl::Status Write();
  absl::Status WriteRevision(const RevisionFiles& revision, const std::string& parent,
                             const std::string& version);

  const ImportOptions& options_;
  ImportReport report_;
  History history_;
  std::vector<RevisionFiles> revisions_;
  std::vector<std::string> versions_;
  std::map<std::string, std::string> known_;  // folders in the target by id
  std::string head_;
};

absl::Status Importer::ReadTarget() {
  std::error_code error;
  if (!fs::exists(options_.target, error)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Definitions definitions, LoadDefinitions(options_.target));
  for (const Revision& revision : definitions.revisions) known_[revision.id] = revision.folder;
  const Graph graph(definitions);
  const RevisionSet heads = graph.Heads(graph.OfService(options_.service));
  if (heads.size() > 1) {
    return Error(absl::StatusCode::kFailedPrecondition, "SEVERAL_HEADS",
                 "the service has several heads; merge them first")
        .With("service", std::string_view(options_.service));
  }
  if (!heads.empty()) head_ = graph.at(heads[0]).id;
  return absl::OkStatus();
}

void Importer::MakeRevisions(const History& read) {
  const WriteOptions options{options_.history.format, options_.service, options_.history.schemas};
  revisions_.push_back(AccessRevision(options));
  versions_.emplace_back();
  const bool runs_psql = options_.history.format == HistoryFormat::kSqitch;
  for (const SourceMigration& migration : read.migrations) {
    const SplitOptions split{options_.history.schemas.front(), OwnerRole(options_.service),
                             migration.is_privileged};
    const auto parts = [&](const SourceScript& script) {
      const ServerText text =
          TakeClientParts(script, runs_psql, options_.history.placeholders, history_);
      return SplitScript(script, text, split, history_);
    };
    std::vector<ScriptPart> ups = parts(migration.up);
    std::vector<ScriptPart> downs = parts(migration.down);
    revisions_.push_back(
        RevisionOf(options, migration, std::move(ups), std::move(downs), history_));
    versions_.push_back(migration.version);
  }
}

absl::Status Importer::CompareWithTarget() {
  std::string different;
  for (const RevisionFiles& revision : revisions_) {
    ImportedRevision& told = report_.revisions.emplace_back(
        ImportedRevision{.id = revision.id,
                         .folder = revision.folder,
                         .title = revision.title,
                         .source = revision.source,
                         .irreversible_reason = revision.irreversible_reason});
    told.steps = static_cast<int>(std::count_if(
        revision.files.begin(), revision.files.end(),
        [](const auto& file) { return std::string_view(file.first).ends_with("up.sql"); }));
    const auto found = known_.find(revision.id);
    if (found == known_.end()) continue;
    told.is_new = false;
    told.folder = found->second;
    const std::string folder = options_.target + "/" + found->second + "/";
    const auto spec = ReadWholeFile(folder + kSpecFile);
    bool is_same = spec.has_value() && Comparable(*spec) == Comparable(SpecText(revision, "", ""));
    for (const auto& [name, text] : revision.files) {
      is_same = is_same && ReadWholeFile(folder + name) == text;
    }
    if (is_same) continue;
    different += "\n  " + found->second + " <- " +
                 (revision.source.empty() ? std::string("--schema") : revision.source);
  }
  if (different.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kAborted, "IMPORT_DIFFERS",
               "what was imported before is not what the history says now; a revision that may be "
               "applied somewhere is never changed, so put the history back or write a new "
               "migration:" +
                   different);
}

absl::Status Importer::WriteRevision(const RevisionFiles& revision, const std::string& parent,
                                     const std::string& version) {
  const std::string path = options_.target + "/" + revision.folder;
  std::error_code error;
  fs::create_directories(path, error);
  bool is_written = !error;
  for (const auto& [name, text] : revision.files) {
    is_written = is_written && WriteWholeFile(path + "/" + name, text, kReadableByAll);
  }
  const std::string created = absl::FormatCivilTime(DayOf(version, options_.today));
  // Last: a folder without it is refused by every command, so a broken import is noticed.
  is_written = is_written && WriteWholeFile(path + "/" + kSpecFile,
                                            SpecText(revision, parent, created), kReadableByAll);
  if (is_written) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, "FOLDER_NOT_WRITTEN", "could not write " + path);
}

absl::Status Importer::Write() {
  std::error_code error;
  fs::create_directories(options_.target, error);
  const std::string releases = options_.target + "/releases.textproto";
  if (!fs::exists(releases, error) && !WriteWholeFile(releases, "", kReadableByAll)) {
    return Error(absl::StatusCode::kInternal, "FOLDER_NOT_WRITTEN", "could not write " + releases);
  }
  std::vector<std::string> written;
  absl::Status status;
  for (std::size_t i = 0; i < revisions_.size() && status.ok(); ++i) {
    if (!report_.revisions[i].is_new) continue;
    written.push_back(revisions_[i].folder);
    status = WriteRevision(revisions_[i], head_, versions_[i]);
    head_ = revisions_[i].id;
  }
  if (status.ok()) {
    const LoadResult loaded = InspectDefinitions(options_.target);
    if (!loaded.problems.empty()) status = ProblemsToStatus(loaded.problems);
  }
  if (status.ok()) {
    report_.was_written = true;
    return status;
  }
  // All or nothing.
  for (const std::string& folder : written) fs::remove_all(options_.target + "/" + folder, error);
  return status;
}

absl::StatusOr<ImportReport> Importer::Run() {
  if (!IsService(options_.service)) return UnknownService("--service");
  ASSIGN_OR_RETURN(const SourceFiles files, ReadSourceFiles(options_.folder));
  RETURN_IF_ERROR(ReadTarget());
  const History read = ReadHistory(files, options_.history);
  history_.problems = read.problems;
  history_.notes = read.notes;
  MakeRevisions(read);
  SortProblems(history_.problems);
  SortProblems(history_.notes);
  report_.problems = std::move(history_.problems);
  report_.notes = std::move(history_.notes);
  report_.ignored = read.ignored;
  RETURN_IF_ERROR(CompareWithTarget());
  const bool may_write = report_.problems.empty() || options_.allow_incomplete;
  const bool has_migrations = revisions_.size() > 1;
  if (may_write && has_migrations && !options_.is_dry_run) RETURN_IF_ERROR(Write());
  return std::move(report_);
}

}  // namespace

absl::StatusOr<SourceFiles> ReadSourceFiles(const std::string& folder) {
  std::error_code error;
  SourceFiles files;
  if (!fs::is_directory(folder, error)) {
    return Error(absl::StatusCode::kNotFound, "IMPORT_FOLDER_MISSING",
                 "there is no folder " + folder);
  }
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const bool is_hidden = it->path().filename().string().starts_with(".");
    if (is_hidden) {
      if (it->is_directory(error)) it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file(error)) continue;
    const std::string path = fs::relative(it->path(), folder, error).generic_string();
    files[path] = IsRead(path) ? ReadWholeFile(it->path()).value_or("") : "";
  }
  if (error) {
    return Error(absl::StatusCode::kNotFound, "IMPORT_FOLDER_MISSING",
                 "could not read " + folder + ": " + error.message());
  }
  return files;
}

absl::StatusOr<ImportReport> ImportHistory(const ImportOptions& options) {
  return Importer(options).Run();
}

}  // namespace lockstep::migration
