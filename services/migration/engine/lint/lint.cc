#include "services/migration/engine/lint/lint.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/migration/engine/lint/revision_rules.h"
#include "services/migration/engine/lint/scene.h"
#include "services/migration/engine/lint/suppressions.h"
#include "services/migration/engine/lint/transaction_rules.h"
#include "services/migration/engine/parsed_sql.h"
#include "services/migration/engine/sql.h"
#include "services/migration/engine/sql_analysis.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

// Names of more bytes are cut.
constexpr std::size_t kNameBytes = 63;

// Which statements of a script commit together: a number for each, -1 = outside of transactions.
std::vector<int> TransactionsOf(const LintUnit& unit, const LintOptions& options, TreeNode root,
                                const std::vector<Statement>& statements, int& next) {
  const bool is_alone = unit.step != nullptr && (unit.step->kind == StepKind::kNonTransactional ||
                                                 unit.step->kind == StepKind::kBackfill);
  bool refuses = false;
  bool begins = false;
  for (const Statement& statement : statements) {
    refuses = refuses || statement.refuses_transaction;
    begins = begins || statement.is_transaction_control;
  }
  const bool is_plain = unit.role == LintRole::kPlain && options.plain_files != PlainFiles::kInside;
  const bool is_apart =
      is_alone || (is_plain && (refuses || begins || options.plain_files == PlainFiles::kAlone));
  std::vector<int> numbers;
  int open = is_apart ? -1 : next++;
  TreeNode item = root["stmts"].first();
  for (const Statement& statement : statements) {
    const std::string_view kind = item["stmt"].first()["kind"].raw();
    const bool is_control = is_plain && statement.is_transaction_control;
    if (is_control && IsIn(kind, {"TRANS_STMT_BEGIN", "TRANS_STMT_START"})) open = next++;
    numbers.push_back(open);
    if (is_control && IsIn(kind, {"TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK"})) open = -1;
    item = item.next();
  }
  return numbers;
}

bool SetsTimeZone(TreeNode body) {
  return body.key() == "VariableSetStmt" && body["name"].raw() == "timezone";
}

bool SetsUtc(TreeNode body) {
  const std::string zone = body["args"].first()["A_Const"]["sval"]["sval"].text();
  return absl::EqualsIgnoreCase(zone, "UTC") || absl::EqualsIgnoreCase(zone, "GMT");
}

// One plan, script after script.
class Linter {
 public:
  Linter(const LintOptions& options, SchemaModel& model) : options_(options), model_(model) {}

  LintReport Run(const std::vector<LintUnit>& units);

 private:
  void Read(const LintUnit& unit);
  void ReadStatements(const LintUnit& unit, TreeNode root, const std::vector<Statement>& statements,
                      Scene& scene);
  void CheckNames(const LintUnit& unit, const std::vector<Token>& tokens, Scene& scene);
  void CheckOthers(const LintUnit& unit);
  void TellOnly(const std::vector<LintUnit>& units);
  static void Unreadable(const LintUnit& unit, const ParsedSql& parsed, Scene& scene);

  const LintOptions& options_;
  SchemaModel& model_;
  TransactionRules transactions_;
  RevisionRules revisions_;
  LintReport report_;
  std::vector<std::pair<std::string, std::vector<InlineSuppression>>> allowed_;  // by file
  int next_transaction_ = 0;
  bool takes_strong_locks_ = false;
};

void Linter::Unreadable(const LintUnit& unit, const ParsedSql& parsed, Scene& scene) {
  const std::string why = parsed.ok() ? "its tokens cannot be told apart" : parsed.message();
  scene.ReportAt(parsed.ok() ? 0 : parsed.ErrorOffset(unit.script->text), "L35", LintLevel::kError,
                 "",
                 absl::StrCat("the parser of PostgreSQL 15 cannot read this (", why,
                              "): what the script does is not known, and nothing in it was "
                              "checked"));
}

void Linter::CheckNames(const LintUnit& unit, const std::vector<Token>& tokens, Scene& scene) {
  for (const Token& token : tokens) {
    if (token.is_comment || token.end - token.begin <= kNameBytes) continue;
    std::string_view name =
        std::string_view(unit.script->text).substr(token.begin, token.end - token.begin);
    const bool is_quoted = name.front() == '"';
    if (is_quoted) name = name.substr(1, name.size() - 2);
    const bool is_name = is_quoted || name.front() == '_' ||
                         (static_cast<unsigned char>(name.front()) | 0x20U) >= 'a';
    // E'...', B'...' and $tag$...$tag$ are texts.
    if (!is_name || name.size() <= kNameBytes || (!is_quoted && name.back() == '\'')) continue;
    scene.ReportAt(token.begin, "L33", LintLevel::kWarning, name,
                   absl::StrCat("PostgreSQL cuts names after 63 bytes; this one has ", name.size(),
                                ", and another that begins like it is the same to it"));
  }
}

void Linter::ReadStatements(const LintUnit& unit, TreeNode root,
                            const std::vector<Statement>& statements, Scene& scene) {
  const std::vector<StatementLocks> locks = ClassifyStatements(root, "public");
  const std::vector<int> numbers =
      TransactionsOf(unit, options_, root, statements, next_transaction_);
  transactions_.BeginUnit(statements.size());
  revisions_.BeginUnit(root);
  scene.set_utc(unit.role != LintRole::kPlain);
  // An undo runs later, when what the ups made is somebody's; checks change nothing.
  const bool applies = unit.role == LintRole::kPlain || unit.role == LintRole::kUp;
  std::size_t i = 0;
  for (TreeNode item = root["stmts"].first(); !item.empty(); item = item.next(), ++i) {
    const TreeNode body = item["stmt"].first();
    scene.Enter(body, statements[i], locks[i], numbers[i]);
    if (SetsTimeZone(body)) scene.set_utc(SetsUtc(body));
    CheckStyle(scene);
    CheckServerVersion(scene);
    if (unit.role != LintRole::kCheck) {
      CheckIndexes(scene);
      CheckConstraints(scene);
      CheckColumns(scene);
      CheckObjects(scene);
      CheckPartitions(scene);
      CheckViews(scene);
      transactions_.Check(scene);
    }
    revisions_.Check(scene);
    for (const RelationLock& lock : locks[i].locks) {
      takes_strong_locks_ =
          takes_strong_locks_ || (IsStrong(lock.mode) && scene.IsInUse(lock.qualified()));
    }
    if (applies) model_.Apply(body);
  }
  if (i > 0) transactions_.EndUnit(scene);
}

void Linter::Read(const LintUnit& unit) {
  const std::string& text = unit.script->text;
  Scene scene(unit, options_, model_, report_.findings);
  const std::optional<std::vector<Token>> tokens = ScanTokens(text);
  const ParsedSql parsed(text);
  if (!parsed.ok() || !tokens.has_value()) {
    ++report_.unreadable_files;
    Unreadable(unit, parsed, scene);
    return;
  }
  const ParseTree tree(parsed.json());
  if (tree.IsTooDeep()) {
    ++report_.unreadable_files;
    scene.ReportAt(0, "L35", LintLevel::kError, "",
                   "this is nested too deeply to be looked at: nothing in it was checked");
    return;
  }
  const std::vector<Statement> statements = Analyse(text, *tokens, tree.root()).statements;
  report_.statements += static_cast<int>(statements.size());
  CheckNames(unit, *tokens, scene);
  ReadStatements(unit, tree.root(), statements, scene);
  allowed_.push_back({unit.script->file, ReadSuppressions(text, *tokens, statements)});
}

void Linter::CheckOthers(const LintUnit& unit) {
  if (!takes_strong_locks_) return;
  for (const std::string& who : model_.long_transactions) {
    LintFinding finding;
    finding.rule = "N19";
    finding.level = LintLevel::kWarning;
    finding.file = unit.script->file;
    finding.message = absl::StrCat(who,
                                   ": a step that asks for a strong lock waits behind it, and "
                                   "everybody else behind the step");
    report_.findings.push_back(std::move(finding));
  }
}

// What other people's tools ran long ago is told, and refused nowhere.
void Linter::TellOnly(const std::vector<LintUnit>& units) {
  std::set<std::string> legacy;
  for (const LintUnit& unit : units) {
    if (unit.revision == nullptr || unit.revision->phase != Phase::kLegacy) continue;
    legacy.insert(unit.revision->id);
  }
  for (LintFinding& finding : report_.findings) {
    if (!legacy.contains(finding.revision)) continue;
    finding.is_forbidden = false;
    finding.level = std::min(finding.level, LintLevel::kWarning);
  }
}

LintReport Linter::Run(const std::vector<LintUnit>& units) {
  for (std::size_t i = 0; i < units.size(); ++i) {
    Read(units[i]);
    const Revision* const revision = units[i].revision;
    const bool is_last = i + 1 == units.size() || units[i + 1].revision != revision;
    if (revision == nullptr || !is_last) continue;
    revisions_.EndRevision(*revision, options_, report_.findings);
  }
  transactions_.EndPlan(model_, report_.findings);
  revisions_.EndPlan(report_.findings);
  for (const auto& [file, inlined] : allowed_) {
    ApplySuppressions(inlined, file, options_, report_.findings);
  }
  std::set<const Revision*> allowed;
  for (const LintUnit& unit : units) {
    if (unit.revision == nullptr || !allowed.insert(unit.revision).second) continue;
    ApplySuppressions(*unit.revision, options_, report_.findings);
  }
  TellOnly(units);
  if (!units.empty()) CheckOthers(units.front());
  std::stable_sort(report_.findings.begin(), report_.findings.end(),
                   [](const LintFinding& a, const LintFinding& b) {
                     return std::tie(a.file, a.line, a.column, a.rule) <
                            std::tie(b.file, b.line, b.column, b.rule);
                   });
  return std::move(report_);
}

}  // namespace

std::string_view ToText(LintLevel level) {
  if (level == LintLevel::kError) return "error";
  return level == LintLevel::kWarning ? "warning" : "note";
}

int CountOf(const LintReport& report, LintLevel level) {
  return static_cast<int>(
      std::count_if(report.findings.begin(), report.findings.end(), [&](const auto& finding) {
        return finding.suppressed_because.empty() && finding.level >= level;
      }));
}

LintReport Lint(const std::vector<LintUnit>& units, const LintOptions& options,
                SchemaModel& model) {
  return Linter(options, model).Run(units);
}

std::vector<LintUnit> UnitsOf(const Revision& revision) {
  std::vector<LintUnit> units;
  const auto add = [&](const Script& script, LintRole role, const Step* step) {
    if (!script.empty()) units.push_back({&script, role, &revision, step});
  };
  for (const Step& step : revision.steps) {
    add(step.up, LintRole::kUp, &step);
    add(step.expect, LintRole::kCheck, &step);
  }
  for (auto step = revision.steps.rbegin(); step != revision.steps.rend(); ++step) {
    add(step->down, LintRole::kDown, &*step);
  }
  add(revision.verify, LintRole::kCheck, nullptr);
  add(revision.guard, LintRole::kCheck, nullptr);
  return units;
}

}  // namespace lockstep::migration
