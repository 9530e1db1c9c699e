#include "services/migration/importer/splitter.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "services/migration/engine/sql.h"
#include "services/migration/engine/sql_reader.h"
#include "services/migration/engine/tokens.h"
#include "services/migration/importer/source_text.h"
#include "services/migration/importer/statement_edits.h"

namespace lockstep::migration {
namespace {

bool HasWords(const std::vector<Word>& words, std::initializer_list<std::string_view> wanted) {
  return std::search(words.begin(), words.end(), wanted.begin(), wanted.end(),
                     [](const Word& word, std::string_view text) { return word.text == text; }) !=
         words.end();
}

// What PostgreSQL lets only a superuser do though the parser's node does not say so.
bool NeedsSuperuser(const Statement& statement, const std::vector<Word>& words) {
  if (statement.needs_administrator) return true;
  if (statement.copies_file) return true;
  if (statement.node == "CreateFunctionStmt") {
    return HasWords(words, {"LANGUAGE", "C"}) || HasWords(words, {"LANGUAGE", "INTERNAL"}) ||
           HasWords(words, {"LANGUAGE", "PLPYTHON3U"}) || HasWords(words, {"LANGUAGE", "PLPERLU"});
  }
  if (statement.node == "AlterDefaultPrivilegesStmt") {
    return HasWords(words, {"FOR", "ROLE"}) || HasWords(words, {"FOR", "USER"});
  }
  if (statement.node == "AlterTableStmt") return HasWords(words, {"TRIGGER", "ALL"});
  return statement.node == "CreateOpClassStmt" || statement.node == "CreateOpFamilyStmt";
}

bool IsAboutExtension(const std::vector<Word>& words) {
  return words.size() > 1 && words[1].text == "EXTENSION" &&
         (words[0].text == "CREATE" || words[0].text == "DROP");
}

// How a statement is to run.
enum class Way { kTogether, kLeftOut, kEndsPart, kCopy, kAlone, kPrivileged, kExtension };

class Splitter {
 public:
  Splitter(const SourceScript& script, const ServerText& text, const SplitOptions& options,
           History& history)
      : script_(script),
        text_(text),
        options_(options),
        history_(history),
        schema_(options.schema) {}

  std::vector<ScriptPart> Split();

 private:
  void Refuse(std::size_t offset, const char* code, std::string message) {
    history_.problems.push_back(
        {script_.file, LineOf(text_.text, offset), 0, code, std::move(message)});
  }
  void Note(std::size_t offset, const char* code, std::string message) {
    history_.notes.push_back(
        {script_.file, LineOf(text_.text, offset), 0, code, std::move(message)});
  }

  // What COPY FROM STDIN reads; nullptr of every other statement.
  const std::string* RowsOf(const Statement& statement) const {
    const auto rows = text_.copy_data.find(text_.text.find(';', statement.end));
    return statement.copies_stream && rows != text_.copy_data.end() ? &rows->second : nullptr;
  }
  std::vector<ScriptPart> Whole(const ReadSql& sql);
  Way WayOf(const Statement& statement, const std::vector<Word>& words);
  Way WayOfControl(const Statement& statement, const std::vector<Word>& words);
  void Read(const Statement& statement);
  void ReadSettings(const Statement& statement, std::string& sql);
  struct Piece {
    StepKind kind = StepKind::kTransactional;
    bool is_open = true;         // others of its kind may follow in the same part
    bool takes_settings = true;  // of the session, where it begins a part
  };
  void Add(const Piece& piece, const std::string& sql, std::size_t offset, std::size_t comments);
  void Append(ScriptPart& part, std::string_view text, int line);

  const SourceScript& script_;
  const ServerText& text_;
  const SplitOptions& options_;
  History& history_;
  std::string schema_;  // where names without one are, after the SETs so far
  std::vector<ScriptPart> parts_;
  bool in_block_ = false;              // between BEGIN and COMMIT of the file
  bool is_open_ = false;               // the last part takes more statements of its kind
  bool is_extensions_ = false;         // the last part is about extensions only
  std::size_t read_ = 0;               // end of the statement before
  std::vector<std::string> settings_;  // of the session, for later parts
};

std::vector<ScriptPart> Splitter::Split() {
  std::vector<Problem> broken;
  std::vector<Problem> opaque;
  const ReadSql sql = ReadSqlText(script_.file, text_.text, broken, opaque);
  std::move(broken.begin(), broken.end(), std::back_inserter(history_.problems));
  if (!sql.is_readable) return {};
  if (sql.script.is_opaque) {
    for (Problem& problem : opaque) {
      problem.code = "IMPORT_OPAQUE";
      history_.notes.push_back(std::move(problem));
    }
    return Whole(sql);
  }
  for (const Statement& statement : sql.statements) Read(statement);
  return std::move(parts_);
}

// The parser cannot read it: sent as it is, but for a transaction around all of it.
std::vector<ScriptPart> Splitter::Whole(const ReadSql& sql) {
  std::string text = sql.script.text;
  const std::vector<Word> words = CodeWords(text);
  const auto last = std::find_if(words.rbegin(), words.rend(),
                                 [](const Word& word) { return word.starts_statement; });
  if (!words.empty() && words[0].text == "BEGIN" && last->text == "COMMIT") {
    BlankOut(text, words[0].begin, std::min(text.find(';') + 1, text.size()));
    BlankOut(text, last->begin, text.size());
  }
  if (Trimmed(text).empty()) return {};
  ScriptPart part;
  Append(part, text, 1);
  return {std::move(part)};
}

Way Splitter::WayOfControl(const Statement& statement, const std::vector<Word>& words) {
  const std::string_view first = words.empty() ? std::string_view() : words[0].text;
  const bool ends = first == "COMMIT" || first == "END";
  const bool is_block = first == "BEGIN" || first == "START" || (ends && words.size() < 4);
  if (is_block && !HasWords(words, {"PREPARED"})) {
    // Outside of the tool's transaction a block of the file is one of its own.
    if (ends || !script_.in_transaction) is_open_ = false;
    in_block_ = !ends;
    return Way::kLeftOut;
  }
  Refuse(statement.begin, "IMPORT_TRANSACTION_CONTROL",
         std::string(first) + ": the engine begins and ends transactions; take it out of the file");
  return Way::kLeftOut;
}

Way Splitter::WayOf(const Statement& statement, const std::vector<Word>& words) {
  if (statement.is_transaction_control) return WayOfControl(statement, words);
  if (statement.changes_owner) {
    Note(statement.begin, "IMPORT_OWNER_LEFT_OUT",
         "who owns an object follows from the service; left out: " + statement.tag);
    return Way::kLeftOut;
  }
  if (statement.copies_stream) {
    if (RowsOf(statement) != nullptr) return Way::kCopy;
    Refuse(statement.begin, "IMPORT_COPY_STREAM", "COPY to the client has nobody to read it");
    return Way::kLeftOut;
  }
  if (options_.is_privileged || NeedsSuperuser(statement, words)) {
    if (statement.refuses_transaction) {
      Refuse(statement.begin, "IMPORT_OUTSIDE_TRANSACTION",
             statement.tag + " needs an administrator and refuses a transaction: run it by hand");
      return Way::kLeftOut;
    }
    return IsAboutExtension(words) ? Way::kExtension : Way::kPrivileged;
  }
  if (statement.refuses_transaction && !statement.builds_unnamed_index) return Way::kAlone;
  const bool adds_value = statement.node == "AlterEnumStmt" && HasWords(words, {"ADD", "VALUE"});
  // Outside of a transaction every statement commits, and deferred triggers fire.
  const bool commits = !script_.in_transaction && !in_block_ && statement.changes_data;
  return adds_value || commits ? Way::kEndsPart : Way::kTogether;
}

void Splitter::ReadSettings(const Statement& statement, std::string& sql) {
  if (statement.settings.empty()) return;
  if (const auto schema = SchemaOfSetting(sql); schema.has_value()) {
    schema_ = schema->empty() ? options_.schema : *schema;
  }
  const bool is_local = std::all_of(statement.settings.begin(), statement.settings.end(),
                                    [](const SettingChange& change) { return change.is_local; });
  if (is_local) return;
  const std::optional<std::string> local = AsLocalSetting(sql);
  if (!local.has_value()) {
    Refuse(statement.begin, "IMPORT_SETTING", "RESET ALL: name the settings");
    return;
  }
  sql = *local;
  settings_.push_back(sql);
}

void Splitter::Read(const Statement& statement) {
  const std::size_t comments = read_;
  const std::size_t semicolon = text_.text.find(';', statement.end);
  read_ = semicolon == std::string::npos ? text_.text.size() : semicolon + 1;
  std::string sql = text_.text.substr(statement.begin, statement.end - statement.begin);
  const Way way = WayOf(statement, CodeWords(sql));
  if (way == Way::kLeftOut) return;
  if (statement.builds_unnamed_index && statement.refuses_transaction) {
    Note(statement.begin, "IMPORT_INDEX_UNNAMED",
         "built without CONCURRENTLY: without a name a broken build could not be found again");
    sql = WithoutConcurrently(sql);
  }
  if (way == Way::kAlone) {
    Add({.kind = StepKind::kNonTransactional, .takes_settings = false}, WithSchema(sql, schema_),
        statement.begin, comments);
  } else if (way == Way::kCopy) {
    is_open_ = false;
    if (schema_ != options_.schema) sql = WithSchema(sql, schema_);
    Add({.is_open = false, .takes_settings = false}, sql, statement.begin, comments);
    parts_.back().copy_data = *RowsOf(statement);
  } else if (way == Way::kPrivileged || way == Way::kExtension) {
    // The catalog tells whether extensions are there, so they need no administrator's connection.
    const bool is_extension = way == Way::kExtension;
    if (is_extension != is_extensions_) is_open_ = false;
    is_extensions_ = is_extension;
    if (statement.node == "CreateSchemaStmt") sql = OwnedBy(sql, options_.owner);
    Add({.kind = StepKind::kPrivileged, .takes_settings = !is_extension}, sql, statement.begin,
        comments);
  } else {
    ReadSettings(statement, sql);
    Add({.is_open = way == Way::kTogether}, sql, statement.begin, comments);
  }
}

void Splitter::Append(ScriptPart& part, std::string_view text, int line) {
  for (const SourceLine& each : LinesOf(text)) {
    part.sql.append(text.substr(each.begin, each.end - each.begin)) += '\n';
    part.lines.push_back(line + each.number - 1);
  }
}

void Splitter::Add(const Piece& piece, const std::string& sql, std::size_t offset,
                   std::size_t comments) {
  const bool goes_on = is_open_ && !parts_.empty() && parts_.back().kind == piece.kind;
  const int line = LineOf(text_.text, offset);
  if (!goes_on) {
    parts_.emplace_back().kind = piece.kind;
    for (const std::string& setting : settings_) {
      // The statement at hand may be the newest of them.
      if (piece.takes_settings && setting != sql) Append(parts_.back(), setting + ";", line);
    }
  }
  is_open_ = piece.is_open;
  ScriptPart& part = parts_.back();
  const std::string_view before =
      Trimmed(std::string_view(text_.text).substr(comments, offset - comments));
  if (!before.empty()) {
    const auto at = static_cast<std::size_t>(before.data() - text_.text.data());
    Append(part, before, LineOf(text_.text, at));
  }
  Append(part, sql + ";", line);
}

}  // namespace

std::vector<ScriptPart> SplitScript(const SourceScript& script, const ServerText& text,
                                    const SplitOptions& options, History& history) {
  return Splitter(script, text, options, history).Split();
}

}  // namespace lockstep::migration
