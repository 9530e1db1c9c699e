#include "tests/unit/services/migration/lint/page_example.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "services/migration/engine/ownership.h"
#include "services/migration/engine/parsed_sql.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

constexpr char kToday[] = "2026-11-28";
constexpr std::int64_t kManyRows = 1'000'000;

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// A backfill's bounds are parameters by the time that its statement is looked at.
std::string WithParameters(std::string sql) {
  for (const auto& [name, parameter] : {std::pair(":lo", "$1"), std::pair(":hi", "$2")}) {
    for (std::size_t at = sql.find(name); at != std::string::npos; at = sql.find(name)) {
      sql.replace(at, 3, parameter);
    }
  }
  return sql;
}

Script Read(const std::string& file, const std::string& sql) {
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  return ReadScript(file, sql, problems, warnings);
}

// Tables to which a foreign key of the statement points.
void AddDependents(TreeNode body, const Script& script, const std::string& owner,
                   SchemaModel& model) {
  const bool is_view = body.key() == "ViewStmt";
  if (!is_view && body.key() != "CreateStmt") return;
  const std::string name = RelationName(body[is_view ? "view" : "relation"]);
  const std::string service =
      owner.empty() ? std::string(OwnerOf(name.substr(0, name.find('.')))) : owner;
  for (const std::string& read : script.facts.read) {
    ModelTable* const table = model.FindForChange(read);
    if (table != nullptr && read != name) table->dependents.push_back({name, service, is_view});
  }
}

SchemaModel ModelOf(const PageExample& example) {
  SchemaModel model;
  std::map<std::string, std::int64_t> rows;
  std::string owner;
  std::string statement;
  std::vector<std::string> names;
  for (const std::string& line : Lines(example.there)) {
    const std::vector<std::string> words = Words(line);
    if (line.starts_with("-- rows: ")) rows[words[2]] = std::stoll(words[3]);
    if (line.starts_with("-- owner: ")) owner = words[2];
    if (line.starts_with("--")) continue;
    statement += line + "\n";
    if (!line.ends_with(";")) continue;
    const ParsedSql parsed(statement);
    if (!parsed.ok()) throw std::runtime_error("not SQL: " + statement);
    const ParseTree tree(parsed.json());
    const TreeNode body = tree.root()["stmts"].first()["stmt"].first();
    model.Apply(body);
    AddDependents(body, Read("there.sql", statement), owner, model);
    names.push_back(RelationName(body[body.key() == "ViewStmt" ? "view" : "relation"]));
    statement.clear();
    owner.clear();
  }
  model.Settle();
  model.is_connected = example.Has("connected");
  const std::vector<std::string> server = Words(example.Value("server", "15"));
  const std::size_t dot = server[0].find('.');
  model.server_version = std::stoi(server[0]) * 10'000 +
                         (dot == std::string::npos ? 0 : std::stoi(server[0].substr(dot + 1)));
  for (const std::string& name : names) {
    ModelTable* const table = model.FindForChange(name);
    if (table == nullptr || !model.is_connected) continue;
    table->knows_everything = true;
    table->rows = rows.contains(name) ? rows[name] : kManyRows;
  }
  return model;
}

Phase PhaseOf(const std::string& name) {
  if (name == "contract") return Phase::kContract;
  return name == "migrate" ? Phase::kMigrate : Phase::kExpand;
}

StepKind KindOf(const std::string& name) {
  if (name == "non_transactional") return StepKind::kNonTransactional;
  return name == "backfill" ? StepKind::kBackfill : StepKind::kTransactional;
}

// The example as revisions of a plan; deques, since units point into them.
class Plan {
 public:
  explicit Plan(const PageExample& example) : example_(example) {
    Begin(example.Value("service", "orders"));
    std::string sql;
    for (const std::string& line : Lines(example.sql)) {
      const bool is_next = line == "-- next step" || line.starts_with("-- next revision");
      if (!is_next) {
        sql += line + "\n";
        continue;
      }
      AddStep(std::exchange(sql, ""));
      if (line == "-- next step") continue;
      Begin(line.substr(line.find("service=") + 8));
    }
    AddStep(sql);
    for (Revision& revision : revisions_) AddUnits(revision);
  }

  const std::vector<LintUnit>& units() const { return units_; }

 private:
  void Begin(const std::string& service) {
    Revision& revision = revisions_.emplace_back();
    revision.id = "00000000000" + std::to_string(revisions_.size());
    revision.service = service;
    revision.folder = service + "/" + revision.id + "_example";
    revision.phase = PhaseOf(example_.Value("phase", "expand"));
    if (example_.Has("irreversible")) revision.irreversible_reason = "the data is gone";
    if (example_.Has("hazards")) revision.index.rollback_hazards = {"the column comes back empty"};
    if (example_.Has("verifies")) revision.verify = Read("verify.sql", "SELECT 1 WHERE false;");
    const std::string rule = example_.Value("suppress", "");
    if (!rule.empty()) revision.suppressions.push_back({rule, "ten rows", "2099-12-31"});
    const std::string ended = example_.Value("suppress_expired", "");
    if (!ended.empty()) revision.suppressions.push_back({ended, "ten rows", "2020-12-31"});
  }

  void AddStep(const std::string& sql) {
    Revision& revision = revisions_.back();
    Step step;
    step.ordinal = static_cast<int>(revision.steps.size()) + 1;
    step.kind = KindOf(example_.Value("step", "transactional"));
    const std::string role = example_.Value("role", "up");
    const std::string file = revision.folder + "/0" + std::to_string(step.ordinal) + ".sql";
    Script script = Read(file, step.kind == StepKind::kBackfill ? WithParameters(sql) : sql);
    if (role == "up") step.up = std::move(script);
    if (role == "down") step.down = std::move(script);
    if (role == "verify") revision.verify = std::move(script);
    if (role == "guard") revision.guard = std::move(script);
    if (example_.Has("expect")) step.expect = Read("expect.sql", "SELECT 1 WHERE false;");
    revision.steps.push_back(std::move(step));
  }

  void AddUnits(const Revision& revision) {
    for (const LintUnit& unit : UnitsOf(revision)) units_.push_back(unit);
  }

  const PageExample& example_;
  std::deque<Revision> revisions_;
  std::vector<LintUnit> units_;
};

}  // namespace

bool PageExample::Has(std::string_view word) const {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string PageExample::Value(std::string_view word, std::string_view otherwise) const {
  const std::string begin = std::string(word) + "=";
  for (const std::string& have : words) {
    if (have.starts_with(begin)) return have.substr(begin.size());
  }
  return std::string(otherwise);
}

std::vector<PageExample> ExamplesOf(std::string_view markdown) {
  std::vector<PageExample> examples;
  PageExample open;
  std::string there;
  bool is_inside = false;
  bool is_reported = false;
  int number = 0;
  for (const std::string& line : Lines(markdown)) {
    ++number;
    if (line == "## Reported") is_reported = true;
    if (line == "## Not reported") is_reported = false;
    if (!is_inside && line.starts_with("```sql")) {
      open = {.is_reported = is_reported,
              .words = Words(line.substr(6)),
              .sql = {},
              .there = {},
              .line = number};
      is_inside = true;
    } else if (is_inside && line == "```") {
      is_inside = false;
      if (open.Has("there")) {
        there = open.sql;
        continue;
      }
      open.there = std::exchange(there, "");
      examples.push_back(open);
    } else if (is_inside) {
      open.sql += line + "\n";
    }
  }
  return examples;
}

LintReport LintExample(const PageExample& example) {
  SchemaModel model = ModelOf(example);
  LintOptions options;
  options.today = kToday;
  const std::string transaction = example.Value("transaction", "");
  if (transaction == "yes") options.plain_files = PlainFiles::kInside;
  if (transaction == "no") options.plain_files = PlainFiles::kAlone;
  if (example.Value("kind", "plain") == "plain") {
    const Script script = Read("example.sql", example.sql);
    return Lint({{.script = &script}}, options, model);
  }
  return Lint(Plan(example).units(), options, model);
}

}  // namespace lockstep::migration
