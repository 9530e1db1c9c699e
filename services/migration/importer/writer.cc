#include "services/migration/importer/writer.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/checksum.h"
#include "services/migration/engine/run/step_sql.h"
#include "services/migration/engine/scaffold.h"
#include "services/migration/engine/sha256.h"
#include "services/migration/engine/sql_reader.h"
#include "services/migration/engine/sql_rules.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

// Other tools have no limit; this is one against statements that never end.
constexpr int kStatementTimeoutMs = 3'600'000;
constexpr std::size_t kMostVersion = 40;
constexpr std::size_t kMostTitle = 100;

std::string IdPart(std::string_view text) {
  std::string part;
  for (const char c : LowerCase(text)) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    part += is_plain ? c : '_';
  }
  return part;
}

// One line of at most 100 bytes, cut between characters.
std::string TitleOf(std::string_view name) {
  std::string title;
  for (const char c : Trimmed(name)) {
    title += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
  if (title.size() > kMostTitle) {
    std::size_t end = kMostTitle;
    while (end > 0 && (static_cast<unsigned char>(title[end]) & 0xC0) == 0x80) --end;
    title.resize(end);
  }
  return title;
}

std::string Quoted(std::string_view text) {
  return "\"" + absl::Utf8SafeCEscape(std::string(text)) + "\"";
}

std::string_view KindName(StepKind kind) {
  if (kind == StepKind::kPrivileged) return "STEP_KIND_PRIVILEGED";
  if (kind == StepKind::kNonTransactional) return "STEP_KIND_NON_TRANSACTIONAL";
  return "STEP_KIND_TRANSACTIONAL";
}

std::string SearchPathSpec(const std::vector<std::string>& schemas) {
  if (schemas == std::vector<std::string>{"public"}) return "";
  std::string spec = "search_path: \"$user\"\n";
  for (const std::string& schema : schemas) spec += "search_path: " + Quoted(schema) + "\n";
  return spec;
}

// Both directions of one step.
struct Step2 {
  StepKind kind = StepKind::kTransactional;
  const ScriptPart* up = nullptr;
  const ScriptPart* down = nullptr;
};

// An undo runs the steps from the last to the first, each with its own script, and theirs is one
// script for all of them. So its first part belongs to our last step, and what fits to no step that
// goes up gets one that has nothing to do there.
std::vector<Step2> Pair(const std::vector<ScriptPart>& ups, const std::vector<ScriptPart>& downs) {
  std::vector<Step2> steps;
  for (const ScriptPart& up : ups) steps.push_back({up.kind, &up, nullptr});
  if (steps.empty()) steps.push_back({});
  std::size_t left = downs.size();
  if (left > 0 && downs[left - 1].kind == steps.back().kind) {
    steps.back().down = &downs[left - 1];
    --left;
  }
  while (left > 0) {
    --left;
    steps.push_back({downs[left].kind, nullptr, &downs[left]});
  }
  return steps;
}

class RevisionMaker {
 public:
  RevisionMaker(const WriteOptions& options, const SourceMigration& migration, History& history)
      : options_(options), migration_(migration), history_(history) {}

  RevisionFiles Make(const std::vector<ScriptPart>& ups, const std::vector<ScriptPart>& downs) {
    made_.id = RevisionIdOf(options_, migration_.version);
    made_.title = TitleOf(migration_.name.empty() ? migration_.version : migration_.name);
    const std::string slug = SlugOf(made_.title);
    made_.folder = options_.service + "/" + made_.id + (slug.empty() ? "" : "_" + slug);
    made_.source = migration_.up.file;
    if (downs.empty()) {
      made_.irreversible_reason =
          migration_.down.file.empty()
              ? "the history has no way back from " + migration_.up.file
              : migration_.down.file + " holds no statement that leads back";
    }
    Start();
    const std::vector<Step2> steps = Pair(ups, downs);
    for (std::size_t i = 0; i < steps.size(); ++i) AddStep(i, steps[i], steps.size());
    return std::move(made_);
  }

 private:
  void Start() {
    std::string& spec = made_.spec;
    for (const std::string& tag : migration_.tags) {
      spec += "aliases: " + Quoted(RevisionIdOf(options_, "tag_" + tag)) + "\n";
    }
    spec += "phase: PHASE_LEGACY\n" + SearchPathSpec(options_.schemas);
    spec += absl::StrFormat("limits { statement_timeout_ms: %d }\n", kStatementTimeoutMs);
    if (!made_.irreversible_reason.empty()) {
      spec += "irreversible_reason: " + Quoted(made_.irreversible_reason) + "\n";
    }
    spec += "index { key_changes: " + Quoted("imported from " + migration_.up.file) + " }\n";
  }

  void AddStep(std::size_t index, const Step2& step, std::size_t count) {
    const bool has_copy = step.up != nullptr && !step.up->copy_data.empty();
    const bool is_simple = count == 1 && step.kind == StepKind::kTransactional && !has_copy;
    const std::string name = step.up != nullptr ? "part" : "undo";
    const std::string title = absl::StrFormat("%s_%d", name, static_cast<int>(index) + 1);
    const std::string prefix =
        is_simple ? std::string() : absl::StrFormat("%02d_%s.", static_cast<int>(index) + 1, title);
    made_.files[prefix + "up.sql"] = Take(step, step.up, migration_.up, has_copy);
    made_.files[prefix + "down.sql"] = Take(step, step.down, migration_.down, false);
    if (is_simple) return;
    made_.spec += "steps {\n  name: " + Quoted(title) + "\n  kind: ";
    made_.spec.append(KindName(step.kind)) += "\n";
    if (has_copy) {
      made_.spec += "  copy_file: " + Quoted(prefix + "copy") + "\n";
      made_.files[prefix + "copy"] = step.up->copy_data;
    }
    made_.spec += "}\n";
  }

  // The text of one direction, after the rules that loading will hold it to.
  std::string Take(const Step2& step, const ScriptPart* part, const SourceScript& source,
                   bool has_copy) {
    if (part == nullptr) return "-- Nothing to do in this step.\n";
    if (!part->copy_data.empty() && !has_copy) {
      Refuse(source.file, part->lines.front(), "IMPORT_COPY_STREAM",
             "COPY with rows in a script that goes back cannot be carried over");
      return "";
    }
    std::vector<Problem> problems;
    std::vector<Problem> ignored;
    const ReadSql sql = ReadSqlText(source.file, part->sql, problems, ignored);
    const std::vector<std::string> references;
    std::set<std::string> used;
    CheckSql(sql,
             {.service = options_.service,
              .role = ScriptRole::kStep,
              .kind = step.kind,
              .references = &references,
              .is_legacy = true,
              .has_copy_data = has_copy},
             used, problems);
    for (Problem& problem : problems) {
      const auto line = static_cast<std::size_t>(std::max(problem.line, 1)) - 1;
      Refuse(source.file, line < part->lines.size() ? part->lines[line] : 0, problem.code.c_str(),
             std::move(problem.message));
    }
    return part->sql;
  }

  void Refuse(const std::string& file, int line, const char* code, std::string message) {
    Problem problem{file, line, 0, code, std::move(message)};
    const auto& all = history_.problems;
    if (std::find(all.begin(), all.end(), problem) == all.end()) {
      history_.problems.push_back(std::move(problem));
    }
  }

  const WriteOptions& options_;
  const SourceMigration& migration_;
  History& history_;
  RevisionFiles made_;
};

}  // namespace

std::string RevisionIdOf(const WriteOptions& options, std::string_view version) {
  std::string part = IdPart(version);
  if (part != version || part.size() > kMostVersion) {
    part = part.substr(0, kMostVersion - 9) + "_" + Sha256Hex(version).substr(0, 8);
  }
  std::string format = IdPart(ToText(options.format));
  if (options.format == HistoryFormat::kGolangMigrate) format = "migrate";
  if (options.format == HistoryFormat::kAlembicSql) format = "alembic";
  return format + "_" + options.service + "_" + part;
}

RevisionFiles AccessRevision(const WriteOptions& options) {
  const std::string role = pg::QuoteIdentifier(OwnerRole(options.service));
  RevisionFiles made;
  made.id = RevisionIdOf(options, kAccessVersion);
  made.title = "what the history from " + std::string(ToText(options.format)) + " needs";
  made.folder = options.service + "/" + made.id;
  made.spec =
      "phase: PHASE_LEGACY\n" + SearchPathSpec(options.schemas) + "index { key_changes: " +
      Quoted("lets " + options.service + "_owner make objects where the history has its own") +
      " }\nsteps {\n  name: \"access\"\n  kind: STEP_KIND_PRIVILEGED\n"
      "  expect_file: \"01_access.expect.sql\"\n}\n";
  std::string up =
      "-- The history runs as the owner of the service, who may change nothing outside "
      "of its own schemas.\n";
  std::string down;
  std::string expect;
  for (const std::string& schema : options.schemas) {
    const std::string name = pg::QuoteIdentifier(schema);
    if (schema != "public") up += "CREATE SCHEMA IF NOT EXISTS " + name + ";\n";
    up += "GRANT USAGE, CREATE ON SCHEMA " + name + " TO " + role + " WITH GRANT OPTION;\n";
    down += "REVOKE CREATE ON SCHEMA " + name + " FROM " + role + " CASCADE;\n";
    expect +=
        "SELECT " + pg::QuoteLiteral("may create in " + schema) +
        ", 'true', has_schema_privilege(oid, 'CREATE')::text FROM pg_namespace WHERE nspname = " +
        pg::QuoteLiteral(schema) + ";\n";
  }
  made.files = {
      {"01_access.up.sql", up}, {"01_access.down.sql", down}, {"01_access.expect.sql", expect}};
  return made;
}

RevisionFiles RevisionOf(const WriteOptions& options, const SourceMigration& migration,
                         std::vector<ScriptPart> ups, std::vector<ScriptPart> downs,
                         History& history) {
  return RevisionMaker(options, migration, history).Make(ups, downs);
}

std::string SpecText(const RevisionFiles& revision, std::string_view parent,
                     std::string_view created) {
  std::string text =
      "# proto-file: lockstep/migration/v1/revision_spec.proto\n"
      "# proto-message: RevisionSpec\n";
  text += "id: " + Quoted(revision.id) + "\ntitle: " + Quoted(revision.title) +
          "\nservice: " + Quoted(revision.folder.substr(0, revision.folder.find('/'))) + "\n";
  if (!parent.empty()) text += "down_revision: " + Quoted(parent) + "\n";
  return text + "created: " + Quoted(created) + "\n" + revision.spec;
}

absl::CivilDay DayOf(std::string_view version, absl::CivilDay otherwise) {
  const std::size_t digits = LeadingDigits(version);
  const std::string number(version.substr(0, digits));
  if (digits == 10) {
    const long long seconds = std::strtoll(number.c_str(), nullptr, 10);
    return absl::ToCivilDay(absl::FromUnixSeconds(seconds), absl::UTCTimeZone());
  }
  if (digits != 8 && digits != 12 && digits != 14) return otherwise;
  const int year = std::atoi(number.substr(0, 4).c_str());
  const int month = std::atoi(number.substr(4, 2).c_str());
  const int day = std::atoi(number.substr(6, 2).c_str());
  const absl::CivilDay found(year, month, day);
  const bool is_day = year >= 1990 && year < 2100 && found.month() == month && found.day() == day;
  return is_day ? found : otherwise;
}

}  // namespace lockstep::migration
