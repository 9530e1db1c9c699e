// {version}_{title}.up.sql and .down.sql in one folder, by number.
#include <map>
#include <string>

#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

struct Name {
  std::string version;
  std::string title;
  bool is_up = false;
  bool is_sql = false;
};

// "0012_add users.up.sql"; nullopt: no migration.
std::optional<Name> ReadName(std::string_view file) {
  const std::size_t digits = LeadingDigits(file);
  if (digits == 0 || digits >= file.size() || file[digits] != '_') return std::nullopt;
  for (const std::string_view direction : {".up.", ".down."}) {
    const std::size_t at = file.rfind(direction);
    if (at == std::string_view::npos || at < digits) continue;
    return Name{
        .version = std::string(file.substr(0, digits)),
        .title = at > digits + 1 ? std::string(file.substr(digits + 1, at - digits - 1)) : "",
        .is_up = direction == ".up.",
        .is_sql = LowerCase(file.substr(at + direction.size())) == "sql"};
  }
  return std::nullopt;
}

}  // namespace

void ReadGolangMigrate(const HistoryReader& reader) {
  std::map<std::string, SourceMigration> found;
  for (const auto& [path, text] : reader.files) {
    const std::optional<Name> name =
        path.find('/') == std::string::npos ? ReadName(path) : std::nullopt;
    if (!name.has_value()) {
      reader.Ignore(path);
      continue;
    }
    if (!name->is_sql) {
      reader.RefuseCode(path, "something else than SQL");
      continue;
    }
    SourceMigration& migration = found[name->version];
    SourceScript& script = name->is_up ? migration.up : migration.down;
    if (!script.file.empty()) {
      reader.Refuse(path, 0, "IMPORT_DUPLICATE_VERSION",
                    "version " + name->version + " is also that of " + script.file);
      continue;
    }
    migration.version = name->version;
    if (name->is_up || migration.name.empty()) migration.name = name->title;
    script = {.file = path, .text = text};
  }
  for (auto& [version, migration] : found) {
    if (migration.up.file.empty()) {
      reader.Refuse(migration.down.file, 0, "IMPORT_UP_MISSING",
                    "version " + version + " has no .up.sql");
      continue;
    }
    reader.history.migrations.push_back(std::move(migration));
  }
  reader.OrderByNumber();
}

}  // namespace lockstep::migration
