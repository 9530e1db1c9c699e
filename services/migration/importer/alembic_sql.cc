// What `alembic upgrade base:head --sql` and `alembic downgrade head:base --sql` print: one section
// for each revision, after a line "-- Running upgrade A -> B".
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/migration/engine/sql_reader.h"
#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

struct Section {
  bool is_up = false;
  std::string revision;  // that the upgrade reaches, or the downgrade leaves
  std::string text;
  int line = 1;
};

std::optional<Section> HeaderOf(const SourceLine& line) {
  for (const std::string_view direction : {"upgrade", "downgrade"}) {
    const std::string start = "-- Running " + std::string(direction) + " ";
    if (!line.text.starts_with(start)) continue;
    const std::string_view rest = line.text.substr(start.size());
    const std::size_t arrow = rest.find("->");
    if (arrow == std::string_view::npos) continue;
    const bool is_up = direction == "upgrade";
    const std::string_view revision =
        Trimmed(is_up ? rest.substr(arrow + 2) : rest.substr(0, arrow));
    return Section{
        .is_up = is_up, .revision = std::string(revision), .text = "", .line = line.number};
  }
  return std::nullopt;
}

// Takes out what keeps alembic's own books; the ledger does that here.
void DropBookkeeping(std::string& text) {
  std::vector<Problem> ignored;
  const ReadSql sql = ReadSqlText("", text, ignored, ignored);
  for (const Statement& statement : sql.statements) {
    const bool is_book = std::any_of(
        statement.uses.begin(), statement.uses.end(),
        [](const ObjectUse& use) { return use.is_relation && use.name == "alembic_version"; });
    if (!is_book) continue;
    BlankOut(text, statement.begin, statement.end + 1);  // with its semicolon
  }
}

class AlembicReader {
 public:
  explicit AlembicReader(const HistoryReader& reader) : reader_(reader) {}

  void Read() {
    for (const auto& [path, text] : reader_.files) {
      const bool is_sql = path.ends_with(".sql") && path.find('/') == std::string::npos;
      if (!is_sql || !ReadFile(path, text)) {
        if (path.ends_with(".py")) {
          reader_.RefuseCode(path, "Python (print it: alembic upgrade base:head --sql)");
        } else {
          reader_.Ignore(path);
        }
      }
    }
    for (SourceMigration& migration : reader_.history.migrations) {
      const auto down = downs_.find(migration.version);
      if (down == downs_.end()) continue;
      migration.down = down->second;
      downs_.erase(down);
    }
    for (const auto& [revision, down] : downs_) {
      reader_.Refuse(down.file, 0, "IMPORT_UP_MISSING",
                     "there is no upgrade to " + revision + ", which it undoes");
    }
  }

 private:
  bool ReadFile(const std::string& path, const std::string& text) {
    std::optional<Section> section;
    std::size_t begin = 0;
    bool found = false;
    for (const SourceLine& line : LinesOf(text)) {
      const std::optional<Section> header = HeaderOf(line);
      if (!header.has_value()) continue;
      found = true;
      End(path, text, begin, line.begin, section);
      section = header;
      begin = line.end;
    }
    if (found) End(path, text, begin, text.size(), section);
    return found;
  }

  void End(const std::string& path, const std::string& text, std::size_t begin, std::size_t end,
           const std::optional<Section>& section) {
    std::string kept = KeepOnly(text, begin, end);
    DropBookkeeping(kept);
    if (!section.has_value()) {
      CheckStart(path, kept);
      return;
    }
    SourceScript script{.file = path, .text = std::move(kept)};
    if (!section->is_up) {
      downs_[section->revision] = std::move(script);
      return;
    }
    SourceMigration migration;
    migration.version = migration.name = section->revision;
    migration.up = std::move(script);
    for (const SourceMigration& other : reader_.history.migrations) {
      if (other.version != migration.version) continue;
      reader_.Refuse(path, section->line, "IMPORT_DUPLICATE_VERSION",
                     "revision " + other.version + " is also in " + other.up.file);
    }
    reader_.history.migrations.push_back(std::move(migration));
  }

  // Before the first section only alembic's table is made.
  void CheckStart(const std::string& path, const std::string& text) {
    std::vector<Problem> ignored;
    for (const Statement& statement : ReadSqlText("", text, ignored, ignored).statements) {
      if (statement.is_transaction_control) continue;
      const auto line = std::count(
          text.begin(), text.begin() + static_cast<std::ptrdiff_t>(statement.begin), '\n');
      reader_.Refuse(path, static_cast<int>(line) + 1, "IMPORT_NO_REVISION",
                     statement.tag + " stands before the first line \"-- Running upgrade\"");
    }
  }

  const HistoryReader& reader_;
  std::map<std::string, SourceScript> downs_;
};

}  // namespace

void ReadAlembicSql(const HistoryReader& reader) { AlembicReader(reader).Read(); }

}  // namespace lockstep::migration
