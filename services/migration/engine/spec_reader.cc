#include "services/migration/engine/spec_reader.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "lockstep/migration/v1/revision_spec.pb.h"
#include "services/migration/engine/backfill_spec.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/spec_parser.h"
#include "services/migration/engine/spec_rules.h"
#include "services/migration/engine/view_rewrite_spec.h"

namespace lockstep::migration {

namespace pb = ::lockstep::migration::v1;
using google::protobuf::RepeatedPtrField;

namespace {

std::vector<std::string> ToVector(const RepeatedPtrField<std::string>& list) {
  return {list.begin(), list.end()};
}

class RevisionReader {
 public:
  RevisionReader(const std::string& folder, RevisionDraft& draft, std::vector<Problem>& problems)
      : folder_(folder), draft_(draft), problems_(problems) {}

  void Read(const std::string& text) {
    draft_.file = folder_ + "/revision.textproto";
    draft_.revision.folder = folder_;
    draft_.is_readable = SpecParser::Parse(draft_.file, text, spec_, draft_.lines, problems_);
    if (!draft_.is_readable) return;
    ReadIdentity();
    ReadPhase();
    ReadSteps();
    ReadReferences();
    ReadDestroys();
    ReadWords();
  }

 private:
  void Refuse(int line, const char* code, std::string message) {
    problems_.push_back({draft_.file, line, 0, code, std::move(message)});
  }
  int Line(const char* field, int index = -1) const { return draft_.lines.Line(field, index); }

  void ReadIdentity() {
    Revision& revision = draft_.revision;
    revision.id = spec_.id();
    revision.service = spec_.service();
    revision.title = spec_.title();
    revision.created = spec_.created();
    revision.aliases = ToVector(spec_.aliases());
    revision.down_revision = ToVector(spec_.down_revision());
    revision.depends_on = ToVector(spec_.depends_on());
    revision.supersedes_verify = ToVector(spec_.supersedes_verify());
    const std::size_t slash = folder_.find('/');
    const std::string parent = folder_.substr(0, slash);
    const std::string name = folder_.substr(slash + 1);
    if (!IsRevisionId(revision.id)) {
      Refuse(Line("id"), "ID_INVALID",
             "id \"" + revision.id + "\" must match [0-9a-z_]{4,64} and be neither head nor base");
    } else if (name != revision.id && !name.starts_with(revision.id + "_")) {
      Refuse(Line("id"), "FOLDER_NAME",
             "folder " + name + " must be named " + revision.id + "_<slug>");
    }
    if (revision.service != parent) {
      Refuse(Line("service"), "SERVICE_NOT_FOLDER",
             "service \"" + revision.service + "\" is not the folder that it is in, " + parent);
    }
    for (int i = 0; i < spec_.aliases_size(); ++i) {
      if (IsRevisionId(spec_.aliases(i))) continue;
      Refuse(Line("aliases", i), "ALIAS_INVALID",
             "alias \"" + spec_.aliases(i) +
                 "\" must match [0-9a-z_]{4,64} and be neither head nor base");
    }
    if (revision.title.empty() || revision.title.size() > 100) {
      Refuse(Line("title"), "TITLE_INVALID", "title must have 1 to 100 characters");
    }
    if (!IsDay(revision.created)) {
      Refuse(Line("created"), "DATE_INVALID", "created must be a day, YYYY-MM-DD");
    }
  }

  void ReadPhase() {
    switch (spec_.phase()) {
      case pb::PHASE_EXPAND:
        draft_.revision.phase = Phase::kExpand;
        break;
      case pb::PHASE_MIGRATE:
        draft_.revision.phase = Phase::kMigrate;
        break;
      case pb::PHASE_CONTRACT:
        draft_.revision.phase = Phase::kContract;
        break;
      case pb::PHASE_LEGACY:
        draft_.revision.phase = Phase::kLegacy;
        break;
      default:
        Refuse(Line("phase"), "PHASE_MISSING",
               "phase must be PHASE_EXPAND, PHASE_MIGRATE or PHASE_CONTRACT; PHASE_LEGACY is for "
               "what lockstep import made");
    }
    draft_.revision.oldest_build = spec_.oldest_build();
    if (!spec_.oldest_build().empty() && !IsBuild(spec_.oldest_build())) {
      Refuse(Line("oldest_build"), "BUILD_INVALID", "oldest_build must be MAJOR.MINOR.PATCH");
    }
    ReadSoak();
    ReadSearchPath();
  }

  void ReadSearchPath() {
    draft_.revision.search_path = ToVector(spec_.search_path());
    const bool is_legacy = spec_.phase() == pb::PHASE_LEGACY;
    if (!is_legacy && !spec_.search_path().empty()) {
      Refuse(Line("search_path"), "SEARCH_PATH_INVALID",
             "only a revision of PHASE_LEGACY has a search_path; others name every schema");
    }
    if (is_legacy && spec_.search_path().empty()) draft_.revision.search_path = {"$user", "public"};
  }

  void ReadSoak() {
    if (!spec_.has_soak()) return;
    constexpr std::int64_t kLongestSeconds = 90 * 86'400;
    const std::int64_t seconds = spec_.soak().seconds();
    if (seconds < 0 || seconds > kLongestSeconds || spec_.soak().nanos() != 0) {
      Refuse(Line("soak"), "SOAK_INVALID", "soak must be whole seconds, at most 90 days");
    } else if (seconds > 0 && spec_.phase() != pb::PHASE_CONTRACT) {
      Refuse(Line("soak"), "SOAK_INVALID", "only a revision of PHASE_CONTRACT has a soak");
    } else {
      draft_.revision.soak_seconds = static_cast<int>(seconds);
    }
  }

  // Takes over what `from` sets; `line_of` gives the line of a member.
  template <typename LineOf>
  void ReadLimits(const pb::Limits& from, Limits& limits, LineOf line_of) {
    const auto read = [&](const char* name, int value, int most, int& to) {
      if (value < 0 || value > most) {
        Refuse(line_of(name), "LIMIT_INVALID",
               std::string(name) + " must be from 1 to " + std::to_string(most));
      } else if (value > 0) {
        to = value;
      }
    };
    read("lock_timeout_ms", from.lock_timeout_ms(), 60'000, limits.lock_timeout_ms);
    read("statement_timeout_ms", from.statement_timeout_ms(), 86'400'000,
         limits.statement_timeout_ms);
    read("retry_for_seconds", from.retry_for_seconds(), 86'400, limits.retry_for_seconds);
  }

  void ReadSteps() {
    Limits defaults;
    ReadLimits(spec_.limits(), defaults,
               [&](const char* name) { return draft_.lines.Line("limits", 0, name); });
    if (spec_.steps().empty()) {
      Step& step = draft_.revision.steps.emplace_back();
      step.name = "main";
      step.limits = defaults;
      draft_.files.push_back(
          {.up = "up.sql", .down = "down.sql", .expect = "", .copy = "", .line = 1});
      return;
    }
    for (int i = 0; i < spec_.steps_size(); ++i) ReadStep(i, defaults);
  }

  void ReadStep(int i, const Limits& defaults) {
    const pb::StepSpec& from = spec_.steps(i);
    const auto line = [&](const char* field) { return draft_.lines.Line("steps", i, field); };
    for (const Step& earlier : draft_.revision.steps) {
      if (earlier.name == from.name()) {
        Refuse(line("name"), "STEP_NAME_TAKEN", "two steps are called \"" + from.name() + "\"");
        break;
      }
    }
    Step& step = draft_.revision.steps.emplace_back();
    step.ordinal = i + 1;
    step.name = from.name();
    step.description = from.description();
    step.limits = defaults;
    if (!IsSnakeCase(step.name)) {
      Refuse(line("name"), "STEP_NAME_INVALID",
             "step name \"" + step.name + "\" must be lower snake case, at most 63 characters");
    }
    if (step.description.size() > 200) {
      Refuse(line("description"), "DESCRIPTION_TOO_LONG", "description has over 200 characters");
    }
    if (from.kind() == pb::STEP_KIND_NON_TRANSACTIONAL) step.kind = StepKind::kNonTransactional;
    if (from.kind() == pb::STEP_KIND_PRIVILEGED) step.kind = StepKind::kPrivileged;
    if (from.kind() == pb::STEP_KIND_BACKFILL) step.kind = StepKind::kBackfill;
    if (from.kind() == pb::STEP_KIND_VIEW_REWRITE) step.kind = StepKind::kViewRewrite;
    ReadLimits(from.limits(), step.limits, [&](const char*) { return line("limits"); });
    char prefix[16];
    std::snprintf(prefix, sizeof(prefix), "%02d_", i + 1);
    StepFiles files{.up = from.up_file(),
                    .down = from.down_file(),
                    .expect = from.expect_file(),
                    .copy = from.copy_file(),
                    .line = line("name")};
    ReadBackfill(from, line("backfill"), step, files);
    ReadViewRewrite(from, line("view_rewrite"), step);
    if (files.up.empty() && !files.up_is_made) files.up = prefix + step.name + ".up.sql";
    if (files.down.empty()) files.down = prefix + step.name + ".down.sql";
    for (const std::string& name : {files.up, files.down, files.expect, files.copy}) {
      if (name.empty() || IsPlainFileName(name)) continue;
      Refuse(files.line, "FILE_NAME_INVALID",
             "\"" + name + "\" must be a file in the revision's folder");
    }
    if (!files.copy.empty() &&
        (step.kind != StepKind::kTransactional || spec_.phase() != pb::PHASE_LEGACY)) {
      Refuse(line("copy_file"), "COPY_FILE_INVALID",
             "only a transactional step of a PHASE_LEGACY has a copy_file");
    }
    if (!files.expect.empty() && step.kind == StepKind::kNonTransactional) {
      Refuse(line("expect_file"), "EXPECT_NOT_TRANSACTIONAL",
             "expectations are checked inside the step's transaction; this step has none");
    }
    draft_.files.push_back(std::move(files));
  }

  void ReadBackfill(const pb::StepSpec& from, int line, Step& step, StepFiles& files) {
    const auto refuse = [&](const char* code, std::string message) {
      Refuse(line, code, std::move(message));
    };
    if (step.kind != StepKind::kBackfill) {
      if (from.has_backfill()) {
        refuse("BACKFILL_UNEXPECTED", "only a step of kind STEP_KIND_BACKFILL has a backfill");
      }
      return;
    }
    step.backfill = ReadBackfillSpec(from.backfill(), spec_.service(), refuse);
    files.up_is_made = !step.backfill.set.empty();
    files.down_may_be_missing = from.down_file().empty();
    if (files.up_is_made && !files.up.empty()) {
      refuse("BACKFILL_INVALID", "a backfill has either `set` or an up file, not both");
    }
    if (!files.up_is_made && files.expect.empty()) {
      refuse("BACKFILL_INVALID",
             "a backfill with an up file needs expect_file, which says how it is verified");
    }
  }

  void ReadViewRewrite(const pb::StepSpec& from, int line, Step& step) {
    if (step.kind == StepKind::kViewRewrite) {
      step.view_rewrite = ReadViewRewriteSpec(from.view_rewrite(), [&](std::string message) {
        Refuse(line, "VIEW_REWRITE_INVALID", std::move(message));
      });
    } else if (from.has_view_rewrite()) {
      Refuse(line, "VIEW_REWRITE_INVALID",
             "only a step of kind STEP_KIND_VIEW_REWRITE has a view_rewrite");
    }
  }

  void ReadReferences() {
    draft_.revision.references = ToVector(spec_.references());
    for (int i = 0; i < spec_.references_size(); ++i) {
      const std::string& name = spec_.references(i);
      const std::string_view owner = OwnerOf(name.substr(0, name.find('.')));
      if (!IsQualifiedName(name)) {
        Refuse(Line("references", i), "REFERENCE_INVALID", "\"" + name + "\" must be schema.name");
      } else if (owner.empty()) {
        Refuse(Line("references", i), "REFERENCE_INVALID", "no service owns the schema of " + name);
      } else if (owner == spec_.service()) {
        Refuse(Line("references", i), "REFERENCE_INVALID",
               name + " is the service's own; only objects of others are declared");
      }
    }
  }

  void ReadDestroys() {
    for (int i = 0; i < spec_.destroys_size(); ++i) {
      const pb::DestroyedData& from = spec_.destroys(i);
      const int line = Line("destroys", i);
      draft_.revision.destroys.push_back(
          {from.table(), ToVector(from.key()), ToVector(from.columns()), from.where()});
      if (!IsQualifiedName(from.table()) ||
          OwnerOf(from.table().substr(0, from.table().find('.'))) != spec_.service()) {
        Refuse(line, "DESTROYS_INVALID",
               "\"" + from.table() + "\" must be a table of the service, with its schema");
      }
      if (from.key().empty())
        Refuse(line, "DESTROYS_INVALID", "key is required: it identifies a row");
      for (const auto* names : {&from.key(), &from.columns()}) {
        for (const std::string& name : *names) {
          if (IsIdentifier(name)) continue;
          Refuse(line, "DESTROYS_INVALID", "\"" + name + "\" must be the name of a column");
        }
      }
    }
    draft_.revision.irreversible_reason = spec_.irreversible_reason();
    draft_.revision.archive_forbidden_reason = spec_.archive_forbidden_reason();
  }

  void ReadWords() {
    IndexText& index = draft_.revision.index;
    index.key_changes = ToVector(spec_.index().key_changes());
    index.impact = spec_.index().impact();
    index.next_steps = ToVector(spec_.index().next_steps());
    index.rollback_hazards = ToVector(spec_.index().rollback_hazards());
    for (int i = 0; i < spec_.suppressions_size(); ++i) {
      const pb::LintSuppression& from = spec_.suppressions(i);
      draft_.revision.suppressions.push_back({from.rule(), from.reason(), from.expires()});
      if (from.rule().empty() || from.reason().empty()) {
        Refuse(Line("suppressions", i), "SUPPRESSION_INVALID",
               "a suppression needs a rule and a reason");
      }
      if (!from.expires().empty() && !IsDay(from.expires())) {
        Refuse(Line("suppressions", i), "DATE_INVALID", "expires must be a day, YYYY-MM-DD");
      }
    }
  }

  const std::string& folder_;
  RevisionDraft& draft_;
  std::vector<Problem>& problems_;
  pb::RevisionSpec spec_;
};

}  // namespace

RevisionDraft ReadRevisionSpec(const std::string& folder, const std::string& text,
                               std::vector<Problem>& problems) {
  RevisionDraft draft;
  RevisionReader(folder, draft, problems).Read(text);
  return draft;
}

ReleasesDraft ReadReleases(const std::string& file, const std::string& text,
                           std::vector<Problem>& problems) {
  ReleasesDraft draft;
  draft.file = file;
  pb::ReleaseList list;
  if (!SpecParser::Parse(file, text, list, draft.lines, problems)) return draft;
  for (int i = 0; i < list.releases_size(); ++i) {
    const pb::ReleaseSpec& from = list.releases(i);
    const auto line = [&](const char* field) { return draft.lines.Line("releases", i, field); };
    Release release{from.name(), from.date(), from.title(), ToVector(from.revisions()), {}};
    if (!IsReleaseName(release.name)) {
      problems.push_back(
          {file, line("name"), 0, "RELEASE_NAME_INVALID",
           "release name \"" + release.name +
               "\" must match [A-Za-z0-9][A-Za-z0-9._-]* and be neither head nor base"});
    }
    if (!IsDay(release.date)) {
      problems.push_back({file, line("date"), 0, "DATE_INVALID", "date must be a day, YYYY-MM-DD"});
    }
    for (const pb::PendingWork& work : from.pending()) {
      release.pending.push_back({work.priority(), work.text()});
      if (work.priority() == "HIGH" || work.priority() == "MEDIUM" || work.priority() == "LOW")
        continue;
      problems.push_back({file, line("pending"), 0, "PRIORITY_INVALID",
                          "priority \"" + work.priority() + "\" must be HIGH, MEDIUM or LOW"});
    }
    draft.releases.push_back(std::move(release));
  }
  return draft;
}

}  // namespace lockstep::migration
