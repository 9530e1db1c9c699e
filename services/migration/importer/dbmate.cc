// {version}_{name}.sql with "-- migrate:up" and "-- migrate:down", by file name.
#include <optional>
#include <string>
#include <utility>

#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

struct Mark {
  std::string direction;  // "" = none
  std::string options;
};

Mark MarkOf(std::string_view line) {
  // dbmate looks at the start of a line.
  if (!line.starts_with("--")) return {};
  line = Trimmed(line.substr(2));
  for (const std::string_view direction : {"up", "down"}) {
    const std::string word = "migrate:" + std::string(direction);
    if (!line.starts_with(word)) continue;
    const std::string_view rest = line.substr(word.size());
    if (!rest.empty() && rest[0] != ' ' && rest[0] != '\t') continue;
    return {std::string(direction), std::string(Trimmed(rest))};
  }
  return {};
}

class DbmateFile {
 public:
  DbmateFile(const HistoryReader& reader, const std::string& path, const std::string& text)
      : reader_(reader), path_(path), text_(text) {}

  void Read(SourceMigration& migration) {
    SourceScript* in = nullptr;
    std::size_t begin = 0;
    const auto end = [&](std::size_t at) {
      if (in != nullptr) in->text = KeepOnly(text_, begin, at);
    };
    for (const SourceLine& line : LinesOf(text_)) {
      const Mark mark = MarkOf(line.text);
      if (mark.direction.empty()) continue;
      end(line.begin);
      in = mark.direction == "up" ? &migration.up : &migration.down;
      if (!in->file.empty()) {
        reader_.Refuse(path_, line.number, "IMPORT_MARK_INVALID",
                       "a second migrate:" + mark.direction);
      }
      in->file = path_;
      in->in_transaction = !TurnsTransactionOff(mark.options, line.number);
      begin = line.end;
    }
    end(text_.size());
    if (migration.up.file.empty()) {
      reader_.Refuse(path_, 0, "IMPORT_UP_MISSING", "there is no line \"-- migrate:up\"");
    }
  }

 private:
  bool TurnsTransactionOff(std::string_view options, int line) {
    bool is_off = false;
    while (!options.empty()) {
      const std::size_t end = std::min(options.find_first_of(" \t"), options.size());
      const std::string_view option = options.substr(0, end);
      if (option == "transaction:false") {
        is_off = true;
      } else if (option != "transaction:true") {
        reader_.Refuse(path_, line, "IMPORT_MARK_INVALID",
                       "dbmate knows no option \"" + std::string(option) + "\"");
      }
      options = Trimmed(options.substr(end));
    }
    return is_off;
  }

  const HistoryReader& reader_;
  const std::string& path_;
  const std::string& text_;
};

}  // namespace

void ReadDbmate(const HistoryReader& reader) {
  // The map has them in the order of their names.
  for (const auto& [path, text] : reader.files) {
    const std::size_t digits = LeadingDigits(path);
    if (digits == 0 || path.find('/') != std::string::npos || !path.ends_with(".sql")) {
      reader.Ignore(path);
      continue;
    }
    SourceMigration migration;
    migration.version = path.substr(0, digits);
    migration.name = path.substr(digits, path.size() - digits - 4);
    if (migration.name.starts_with("_")) migration.name.erase(0, 1);
    DbmateFile(reader, path, text).Read(migration);
    if (!migration.up.file.empty()) reader.history.migrations.push_back(std::move(migration));
  }
  reader.RefuseDuplicates();
}

}  // namespace lockstep::migration
