#include "services/migration/engine/sql.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <utility>

#include "common/status/error.h"
#include "services/migration/engine/index_definition.h"
#include "services/migration/engine/parsed_sql.h"
#include "services/migration/engine/script_checksum.h"
#include "services/migration/engine/sql_analysis.h"
#include "services/migration/engine/sql_reader.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Bytes of the UTF-8 sequence at `at`, or 0 when it is none: overlong, a surrogate, cut off, or
// above U+10FFFF.
std::size_t SequenceLength(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned lead = byte(at);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(at + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned second = byte(at + 1);
    const bool fits = (lead != 0xE0 || second >= 0xA0) && (lead != 0xED || second < 0xA0);
    return continues(at + 1) && continues(at + 2) && fits ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned second = byte(at + 1);
    const bool fits = (lead != 0xF0 || second >= 0x90) && (lead != 0xF4 || second < 0x90);
    return continues(at + 1) && continues(at + 2) && continues(at + 3) && fits ? 4 : 0;
  }
  return 0;
}

std::optional<std::size_t> FirstBrokenByte(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = SequenceLength(text, at);
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

std::pair<std::size_t, std::size_t> TrimmedRange(std::string_view text) {
  const auto is_space = [&](std::size_t at) {
    return std::isspace(static_cast<unsigned char>(text[at])) != 0;
  };
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (begin < end && is_space(begin)) ++begin;
  while (end > begin && is_space(end - 1)) --end;
  return {begin, end};
}

Problem At(std::string_view file, std::string_view text, std::size_t offset, std::string code,
           std::string message) {
  const std::size_t line_start = offset == 0 ? 0 : text.rfind('\n', offset - 1) + 1;
  return {.file = std::string(file),
          .line = LineOf(text, offset),
          .column = static_cast<int>(offset - line_start) + 1,
          .code = std::move(code),
          .message = std::move(message)};
}

void AddStatements(const std::vector<Statement>& statements, Script& script) {
  int line = 1;
  std::size_t counted = 0;
  for (const Statement& statement : statements) {
    script.statements.push_back(
        script.text.substr(statement.begin, statement.end - statement.begin));
    line += static_cast<int>(
        std::count(script.text.begin() + static_cast<std::ptrdiff_t>(counted),
                   script.text.begin() + static_cast<std::ptrdiff_t>(statement.begin), '\n'));
    counted = statement.begin;
    script.lines.push_back(line);
  }
}

}  // namespace

int LineOf(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  return static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1;
}

ReadSql ReadSqlText(std::string_view file, std::string_view text, std::vector<Problem>& problems,
                    std::vector<Problem>& warnings) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  ReadSql read;
  Script& script = read.script;
  script.file = file;
  const auto refuse = [&](std::size_t offset, const char* code, const char* message) {
    problems.push_back(At(file, text, offset, code, message));
    read.is_readable = false;
    script.checksum = TokensChecksum(text, std::nullopt);
    return read;
  };
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return refuse(nul, "SQL_NUL_BYTE", "U+0000 is not allowed: PostgreSQL would cut the text here");
  }
  if (const auto broken = FirstBrokenByte(text); broken.has_value()) {
    return refuse(*broken, "SQL_NOT_UTF8", "the file is not UTF-8 from here on");
  }
  script.text = text;
  const std::optional<std::vector<Token>> tokens = ScanTokens(script.text);
  script.checksum = TokensChecksum(script.text, tokens);
  const ParsedSql parsed(script.text);
  const ParseTree tree(parsed.ok() ? parsed.json() : "{}");
  if (parsed.ok() && tokens.has_value() && !tree.IsTooDeep()) {
    Analysis analysis = Analyse(script.text, *tokens, tree.root());
    AddStatements(analysis.statements, script);
    script.facts = std::move(analysis.facts);
    read.statements = std::move(analysis.statements);
    return read;
  }
  const auto [begin, end] = TrimmedRange(script.text);
  script.is_opaque = true;
  script.statements.push_back(script.text.substr(begin, end - begin));
  script.lines.push_back(LineOf(script.text, begin));
  if (tree.IsTooDeep()) {
    warnings.push_back(
        At(file, script.text, begin, "SQL_OPAQUE",
           "this is nested too deeply to be looked at; the file will be sent whole as "
           "one statement"));
  } else if (!parsed.ok()) {
    warnings.push_back(At(file, script.text, parsed.ErrorOffset(script.text), "SQL_OPAQUE",
                          "the parser of PostgreSQL 15 cannot read this (" + parsed.message() +
                              "); the file will be sent whole as one statement"));
  }
  return read;
}

Script ReadScript(std::string_view file, std::string_view text, std::vector<Problem>& problems,
                  std::vector<Problem>& warnings) {
  return ReadSqlText(file, text, problems, warnings).script;
}

absl::StatusOr<Script> ReadScript(std::string_view file, std::string_view text) {
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  Script script = ReadScript(file, text, problems, warnings);
  if (problems.empty()) return script;
  return Error(absl::StatusCode::kInvalidArgument, "SCRIPT_INVALID", problems[0].text());
}

absl::StatusOr<IndexBuild> ReadIndexDefinition(std::string_view create_index) {
  const std::string text(create_index);
  const ParsedSql parsed(text);
  if (parsed.ok() && text.find('\0') == std::string::npos) {
    const ParseTree tree(parsed.json());
    const TreeNode statements = tree.root()["stmts"];
    const TreeNode index = statements.first()["stmt"]["IndexStmt"];
    if (!index.empty() && statements.first().next().empty()) {
      const TreeNode table = index["relation"];
      return IndexBuild{.schema = table["schemaname"].text(),
                        .name = index["idxname"].text(),
                        .table = table["relname"].text(),
                        .definition = CanonicalIndex(index)};
    }
  }
  return Error(absl::StatusCode::kInvalidArgument, "NOT_AN_INDEX_DEFINITION",
               "expected one CREATE INDEX statement")
      .With("statement", create_index.substr(0, 200));
}

std::vector<std::string> ValidatedConstraints(std::string_view alter_table) {
  std::vector<std::string> names;
  const std::string text(alter_table);
  const ParsedSql parsed(text);
  if (!parsed.ok()) return names;
  const ParseTree tree(parsed.json());
  const TreeNode alter = tree.root()["stmts"].first()["stmt"]["AlterTableStmt"];
  for (TreeNode cmd = alter["cmds"].first(); !cmd.empty(); cmd = cmd.next()) {
    const TreeNode command = cmd["AlterTableCmd"];
    if (command["subtype"].raw() == "AT_ValidateConstraint")
      names.push_back(command["name"].text());
  }
  return names;
}

}  // namespace lockstep::migration
