// {version}_{name}/up.sql and down.sql; the version is the text before the first '_' without '-'.
#include <algorithm>
#include <map>
#include <string>

#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

// "run_in_transaction = false" of metadata.toml, the only thing that diesel knows there.
bool RunsInTransaction(std::string_view toml) {
  for (const SourceLine& line : LinesOf(toml)) {
    const std::size_t equals = line.text.find('=');
    if (equals == std::string_view::npos) continue;
    if (Trimmed(line.text.substr(0, equals)) != "run_in_transaction") continue;
    return !Trimmed(line.text.substr(equals + 1)).starts_with("false");
  }
  return true;
}

}  // namespace

void ReadDiesel(const HistoryReader& reader) {
  std::map<std::string, SourceMigration> folders;
  std::map<std::string, bool> in_transaction;
  for (const auto& [path, text] : reader.files) {
    const std::size_t slash = path.find('/');
    const std::string folder = path.substr(0, slash);
    const std::string file = slash == std::string::npos ? std::string() : path.substr(slash + 1);
    if (file == "up.sql") {
      folders[folder].up = {.file = path, .text = text};
    } else if (file == "down.sql") {
      folders[folder].down = {.file = path, .text = text};
    } else if (file == "metadata.toml") {
      in_transaction[folder] = RunsInTransaction(text);
    } else {
      reader.Ignore(path);
    }
  }
  for (auto& [folder, migration] : folders) {
    const std::size_t end = folder.find('_');
    migration.version = folder.substr(0, end);
    std::erase(migration.version, '-');
    migration.name = end == std::string::npos ? folder : folder.substr(end + 1);
    if (migration.up.file.empty()) {
      reader.Refuse(migration.down.file, 0, "IMPORT_UP_MISSING",
                    "the folder " + folder + " has no up.sql");
      continue;
    }
    if (const auto found = in_transaction.find(folder); found != in_transaction.end()) {
      migration.up.in_transaction = migration.down.in_transaction = found->second;
    }
    reader.history.migrations.push_back(std::move(migration));
  }
  std::stable_sort(
      reader.history.migrations.begin(), reader.history.migrations.end(),
      [](const SourceMigration& a, const SourceMigration& b) { return a.version < b.version; });
  reader.RefuseDuplicates();
}

}  // namespace lockstep::migration
