#include "services/migration/engine/definitions.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "common/status/error.h"
#include "services/migration/engine/backfill.h"
#include "services/migration/engine/checksum.h"
#include "services/migration/engine/definition_cache.h"
#include "services/migration/engine/definition_checks.h"
#include "services/migration/engine/destroyed_data.h"
#include "services/migration/engine/files.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/repeatables.h"
#include "services/migration/engine/spec_reader.h"
#include "services/migration/engine/sql_reader.h"
#include "services/migration/engine/sql_rules.h"
#include "services/migration/engine/view_script.h"

namespace lockstep::migration {
namespace {

namespace fs = std::filesystem;

constexpr char kReleasesFile[] = "releases.textproto";

// Names in a folder, sorted; hidden ones left out.
std::vector<std::string> NamesIn(const fs::path& folder, bool directories) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.empty() || name[0] == '.') continue;
    if (it->is_directory(error) == directories) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Reads the folder of one revision.
class RevisionLoader {
 public:
  RevisionLoader(const fs::path& root, const std::string& folder, std::vector<Problem>& problems,
                 std::vector<Problem>& warnings)
      : root_(root), folder_(folder), problems_(problems), warnings_(warnings) {}

  RevisionDraft Load() {
    RevisionDraft draft;
    const auto text = ReadWholeFile(root_ / folder_ / "revision.textproto");
    if (!text.has_value()) {
      draft.file = folder_ + "/revision.textproto";
      draft.revision.folder = folder_;
      Refuse(draft.file, 0, "SPEC_MISSING", "the folder has no readable revision.textproto");
      return draft;
    }
    draft = ReadRevisionSpec(folder_, *text, problems_);
    if (!draft.is_readable) return draft;
    Revision& revision = draft.revision;
    for (std::size_t i = 0; i < revision.steps.size(); ++i) {
      LoadStep(draft, revision.steps[i], draft.files[i]);
    }
    const bool is_legacy = revision.phase == Phase::kLegacy;
    // Other tools know no such file.
    if (!is_legacy || fs::exists(root_ / folder_ / "verify.sql")) {
      revision.verify =
          LoadScript(draft, "verify.sql", 0, ScriptRole::kCheck, StepKind::kTransactional);
      RefuseEmpty(revision.verify, "verify.sql must hold at least one query");
    }
    if (fs::exists(root_ / folder_ / "guard.sql")) {
      revision.guard =
          LoadScript(draft, "guard.sql", 0, ScriptRole::kCheck, StepKind::kTransactional);
    } else if (!revision.irreversible_reason.empty() && !is_legacy) {
      Refuse(folder_ + "/guard.sql", 0, "FILE_MISSING",
             "an irreversible revision needs a guard that says when going back is harmless");
    }
    if (!is_legacy) CheckDestroyedData(draft, used_references_, problems_);
    ReportUnused(draft);
    return draft;
  }

 private:
  void Refuse(const std::string& file, int line, const char* code, std::string message) {
    problems_.push_back({file, line, 0, code, std::move(message)});
  }

  void LoadStep(const RevisionDraft& draft, Step& step, const StepFiles& files) {
    if (step.kind == StepKind::kBackfill) {
      LoadBackfill(draft, step, files);
      return;
    }
    if (!files.copy.empty()) step.copy_data = TakeFile(draft, files.copy, files.line).value_or("");
    step.up =
        LoadScript(draft, files.up, files.line, ScriptRole::kStep, step.kind, !files.copy.empty());
    // A history's way back may need more steps than its way there.
    if (draft.revision.phase != Phase::kLegacy) {
      RefuseEmpty(step.up, "a step must hold at least one statement");
    }
    if (!files.copy.empty() && step.up.facts.tags != std::vector<std::string>{"COPY"}) {
      Refuse(draft.file, files.line, "COPY_FILE_INVALID",
             files.up + " must be one COPY ... FROM STDIN: the step has a copy_file");
    }
    step.down = LoadScript(draft, files.down, files.line, ScriptRole::kStep, step.kind);
    if (!files.expect.empty()) {
      step.expect = LoadScript(draft, files.expect, files.line, ScriptRole::kCheck, step.kind);
    }
    if (step.kind == StepKind::kViewRewrite) CheckViewRewrite(draft, step);
    step.checksum = StepChecksum(step);
  }

  void CheckViewRewrite(const RevisionDraft& draft, const Step& step) {
    const std::vector<ViewStatement> up = ReadViewScript(step.up, problems_);
    ReadViewScript(step.down, problems_);
    for (const ComparedView& compared : step.view_rewrite.views) {
      const bool is_made = std::any_of(up.begin(), up.end(), [&](const ViewStatement& statement) {
        return statement.MakesView() && statement.view() == compared.view;
      });
      if (!is_made && !up.empty()) {
        Refuse(draft.file, 0, "VIEW_REWRITE_INVALID",
               "views: " + compared.view + " is not made by step " + step.name);
      }
    }
    for (const ComparedRows& rows : step.view_rewrite.rows) {
      // Only to be checked as any query of the revision.
      ReadText(draft, draft.file, "SELECT FROM " + rows.relation + " WHERE (" + rows.where + ")",
               ScriptRole::kCheck, step.kind);
    }
  }

  // Its up script is the statement of one batch; its down script begins with the end of the
  // trigger.
  void LoadBackfill(const RevisionDraft& draft, Step& step, const StepFiles& files) {
    Backfill& backfill = step.backfill;
    std::string batch = files.up_is_made ? BatchStatement(backfill) : "";
    if (!files.up_is_made) {
      batch = TakeFile(draft, files.up, files.line).value_or("");
      if (batch.empty()) return;
    }
    const std::string origin =
        files.up_is_made ? "revision.textproto (" + step.name + ")" : files.up;
    const ReadSql read = ReadText(draft, folder_ + "/" + origin, WithParameters(batch),
                                  ScriptRole::kStep, step.kind);
    if (read.is_readable) CheckBatch(read, problems_);
    step.up = read.script;
    if (!files.down_may_be_missing || fs::exists(root_ / folder_ / files.down)) {
      backfill.undo_sql = TakeFile(draft, files.down, files.line).value_or("");
    }
    step.down = ReadText(draft, folder_ + "/" + files.down,
                         DropSyncSql(backfill) + backfill.undo_sql, ScriptRole::kStep, step.kind)
                    .script;
    if (!files.expect.empty()) {
      const std::string text = TakeFile(draft, files.expect, files.line).value_or("");
      step.expect = ReadText(draft, folder_ + "/" + files.expect, WithParameters(text),
                             ScriptRole::kCheck, step.kind)
                        .script;
      RefuseEmpty(step.expect, "expectations must hold at least one query");
    }
    step.checksum = StepChecksum(step);
  }

  // The text of a file that a step uses; nullopt, and refused, when there is none. `line` is where
  // revision.textproto asks for it; 0 when its name follows from the rules.
  std::optional<std::string> TakeFile(const RevisionDraft& draft, const std::string& name,
                                      int line) {
    if (!used_.insert(name).second) {
      Refuse(draft.file, line, "FILE_USED_TWICE", name + " is used for two purposes");
    }
    const std::string file = folder_ + "/" + name;
    auto text = ReadWholeFile(root_ / file);
    if (!text.has_value()) {
      Refuse(line > 0 ? draft.file : file, line, "FILE_MISSING", name + " is missing");
    }
    return text;
  }

  Script LoadScript(const RevisionDraft& draft, const std::string& name, int line, ScriptRole role,
                    StepKind kind, bool has_copy_data = false) {
    const auto text = TakeFile(draft, name, line);
    if (!text.has_value()) return {};
    ReadSql sql = ReadText(draft, folder_ + "/" + name, *text, role, kind, has_copy_data);
    return sql.is_readable ? std::move(sql.script) : Script();
  }

  ReadSql ReadText(const RevisionDraft& draft, const std::string& file, const std::string& text,
                   ScriptRole role, StepKind kind, bool has_copy_data = false) {
    ReadSql sql = ReadSqlText(file, text, problems_, warnings_);
    CheckSql(sql,
             {.service = draft.revision.service,
              .role = role,
              .kind = kind,
              .references = &draft.revision.references,
              .is_legacy = draft.revision.phase == Phase::kLegacy,
              .has_copy_data = has_copy_data},
             used_references_, problems_);
    return sql;
  }

  void RefuseEmpty(const Script& script, const char* message) {
    // A script without a file was refused already.
    if (!script.file.empty() && script.empty()) Refuse(script.file, 0, "SCRIPT_EMPTY", message);
  }

  void ReportUnused(const RevisionDraft& draft) {
    for (const std::string& name : NamesIn(root_ / folder_, false)) {
      if (!name.ends_with(".sql") || name == "guard.sql" || used_.contains(name)) continue;
      Refuse(folder_ + "/" + name, 0, "FILE_UNUSED",
             "no step of revision.textproto uses this file");
    }
    const Revision& revision = draft.revision;
    const auto hides = [](const Step& step) {
      return step.up.facts.has_hidden_code || step.down.facts.has_hidden_code ||
             step.up.is_opaque || step.down.is_opaque || step.kind == StepKind::kPrivileged;
    };
    // What code hides may use the reference.
    if (std::any_of(revision.steps.begin(), revision.steps.end(), hides)) return;
    for (std::size_t i = 0; i < revision.references.size(); ++i) {
      if (used_references_.contains(revision.references[i])) continue;
      warnings_.push_back({draft.file, draft.lines.Line("references", static_cast<int>(i)), 0,
                           "REFERENCE_UNUSED", "nothing refers to " + revision.references[i]});
    }
  }

  const fs::path& root_;
  const std::string& folder_;
  std::vector<Problem>& problems_;
  std::vector<Problem>& warnings_;
  std::set<std::string> used_;
  std::set<std::string> used_references_;
};

std::vector<std::string> RevisionFolders(const fs::path& root, std::vector<Problem>& problems) {
  std::vector<std::string> folders;
  for (const std::string& service : NamesIn(root, true)) {
    if (!IsService(service)) {
      problems.push_back({service, 0, 0, "FOLDER_NOT_A_SERVICE",
                          "the folder is named after no service (catalog, finance, migration, "
                          "orders)"});
      continue;
    }
    for (const std::string& name : NamesIn(root / service, true)) {
      if (name == kRepeatableFolder) continue;
      folders.push_back(service + "/" + name);
    }
  }
  return folders;
}

// Reads the folders on as many threads as there is work for: nothing is shared between revisions.
std::vector<RevisionDraft> LoadRevisions(const fs::path& root,
                                         const std::vector<std::string>& folders,
                                         LoadResult& result) {
  constexpr std::size_t kFoldersPerThread = 64;
  constexpr std::size_t kMostThreads = 8;
  struct Loaded {
    RevisionDraft draft;
    std::vector<Problem> problems;
    std::vector<Problem> warnings;
  };
  std::vector<Loaded> loaded(folders.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < folders.size(); i = next++) {
      Loaded& to = loaded[i];
      to.draft = RevisionLoader(root, folders[i], to.problems, to.warnings).Load();
    }
  };
  std::vector<std::thread> threads;
  const std::size_t wanted =
      std::min({folders.size() / kFoldersPerThread,
                static_cast<std::size_t>(std::thread::hardware_concurrency()), kMostThreads});
  for (std::size_t t = 1; t < wanted; ++t) {
    // The parser frees what it keeps for a thread when the thread ends.
    threads.emplace_back(work);
  }
  work();
  for (std::thread& thread : threads) thread.join();
  std::vector<RevisionDraft> drafts;
  drafts.reserve(loaded.size());
  for (Loaded& from : loaded) {
    drafts.push_back(std::move(from.draft));
    std::move(from.problems.begin(), from.problems.end(), std::back_inserter(result.problems));
    std::move(from.warnings.begin(), from.warnings.end(), std::back_inserter(result.warnings));
  }
  return drafts;
}

LoadResult LoadEverything(const fs::path& root) {
  LoadResult result;
  const std::vector<std::string> folders = RevisionFolders(root, result.problems);
  std::vector<RevisionDraft> drafts = LoadRevisions(root, folders, result);
  ReleasesDraft releases;
  releases.file = kReleasesFile;
  if (const auto text = ReadWholeFile(root / kReleasesFile); text.has_value()) {
    releases = ReadReleases(kReleasesFile, *text, result.problems);
  } else if (!folders.empty()) {
    // A copy that lost it would call released revisions unreleased, and know no target by its name.
    result.problems.push_back({kReleasesFile, 0, 0, "FILE_MISSING",
                               "the file is missing; without releases it is there and empty"});
  }
  result.definitions = Assemble(std::move(drafts), std::move(releases), result.problems);
  for (Revision& revision : result.definitions.revisions) {
    revision.checksum = RevisionChecksum(revision);
  }
  result.definitions.repeatables = LoadRepeatables(root.string(), result.problems);
  WarnOfSharedObjects(result.definitions, result.warnings);
  SortProblems(result.problems);
  SortProblems(result.warnings);
  return result;
}

}  // namespace

LoadResult InspectDefinitions(const std::string& root, const LoadOptions& options) {
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(root, error);
  if (error || !fs::is_directory(absolute, error)) {
    LoadResult result;
    result.problems.push_back({root, 0, 0, "MIGRATIONS_FOLDER_MISSING", "there is no such folder"});
    return result;
  }
  const bool may_cache = options.cache == CacheMode::kUse;
  const std::string cache_dir = options.cache_dir.empty() ? DefaultCacheDir() : options.cache_dir;
  if (may_cache) {
    if (auto cached = FetchCached(absolute.string(), cache_dir); cached.has_value())
      return *std::move(cached);
  }
  const FolderStamps stamps = may_cache ? StampFiles(absolute.string()) : FolderStamps();
  LoadResult result = LoadEverything(absolute);
  result.definitions.root = absolute.string();
  if (may_cache && result.problems.empty()) StoreCached(result, stamps, cache_dir);
  return result;
}

absl::Status ProblemsToStatus(const std::vector<Problem>& problems) {
  const bool is_missing = problems[0].code == "MIGRATIONS_FOLDER_MISSING";
  return Error(is_missing ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
               is_missing ? problems[0].code : "DEFINITIONS_INVALID", JoinProblems(problems))
      .With("problems", static_cast<long long>(problems.size()));
}

absl::StatusOr<Definitions> LoadDefinitions(const std::string& root, const LoadOptions& options) {
  LoadResult result = InspectDefinitions(root, options);
  if (!result.problems.empty()) return ProblemsToStatus(result.problems);
  result.definitions.warnings = std::move(result.warnings);
  return std::move(result.definitions);
}

}  // namespace lockstep::migration
