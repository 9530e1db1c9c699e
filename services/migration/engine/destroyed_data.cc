#include "services/migration/engine/destroyed_data.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "services/migration/engine/sql.h"
#include "services/migration/engine/sql_reader.h"
#include "services/migration/engine/sql_rules.h"

namespace lockstep::migration {
namespace {

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The line of the first statement that destroys rows of `table`.
int LineOfDestruction(const Script& script, const std::string& table) {
  for (std::size_t i = 0; i < script.statements.size() && i < script.lines.size(); ++i) {
    const auto alone = ReadScript(script.file, script.statements[i]);
    if (alone.ok() && Contains(alone->facts.rows_destroyed_in, table)) return script.lines[i];
  }
  return 0;
}

void CheckDeclared(const Revision& revision, std::vector<Problem>& problems) {
  std::set<std::string> known;
  for (const DestroyedData& data : revision.destroys) known.insert(data.table);
  for (const Step& step : revision.steps) {
    const std::vector<std::string>& dropped = step.down.facts.tables_dropped;
    known.insert(dropped.begin(), dropped.end());
  }
  for (const Step& step : revision.steps) {
    for (const std::string& table : step.down.facts.rows_destroyed_in) {
      if (known.contains(table)) continue;
      problems.push_back({step.down.file, LineOfDestruction(step.down, table), 0,
                          "DESTROYS_UNDECLARED",
                          "this changes or deletes rows of " + table +
                              ": declare them in revision.textproto under destroys, so that "
                              "--archive can keep them"});
    }
  }
}

void CheckCondition(const RevisionDraft& draft, std::size_t i,
                    std::set<std::string>& used_references, std::vector<Problem>& problems) {
  const DestroyedData& data = draft.revision.destroys[i];
  if (data.where.empty()) return;
  const int line = draft.lines.Line("destroys", static_cast<int>(i), "where");
  std::vector<Problem> found;
  std::vector<Problem> words;  // of the parser, when it cannot read the text
  // Line feeds: a condition may end in a comment.
  const ReadSql sql = ReadSqlText(
      draft.file, "SELECT FROM " + data.table + " WHERE (\n" + data.where + "\n)", found, words);
  if (sql.is_readable && (sql.script.is_opaque || sql.statements.size() != 1)) {
    problems.push_back({draft.file, line, 0, "DESTROYS_INVALID",
                        "where is no SQL condition" +
                            (words.empty() ? std::string() : ": " + words.front().message)});
    return;
  }
  CheckSql(sql,
           {.service = draft.revision.service,
            .role = ScriptRole::kCheck,
            .kind = StepKind::kTransactional,
            .references = &draft.revision.references},
           used_references, found);
  for (Problem& problem : found) {
    problems.push_back(
        {draft.file, line, 0, std::move(problem.code), "where: " + std::move(problem.message)});
  }
}

}  // namespace

void CheckDestroyedData(const RevisionDraft& draft, std::set<std::string>& used_references,
                        std::vector<Problem>& problems) {
  CheckDeclared(draft.revision, problems);
  for (std::size_t i = 0; i < draft.revision.destroys.size(); ++i) {
    CheckCondition(draft, i, used_references, problems);
  }
}

}  // namespace lockstep::migration
