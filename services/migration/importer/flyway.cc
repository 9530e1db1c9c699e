// V{version}__{name}.sql, U{version}__{name}.sql and R__{name}.sql, in folders of any depth.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/migration/engine/sha256.h"
#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

struct Name {
  char prefix = 0;      // V, U, R, B
  std::string version;  // "1.2.3"; "" of R
  std::string title;
  std::string suffix;  // ".sql", ".java"
};

std::optional<Name> ReadName(std::string_view file) {
  if (file.size() < 4 || std::string_view("VURB").find(file[0]) == std::string_view::npos) {
    return std::nullopt;
  }
  const std::size_t separator = file.find("__");
  const std::size_t dot = file.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::size_t end = std::min(separator, dot);
  Name name{.prefix = file[0],
            .version = std::string(file.substr(1, end - 1)),
            .title = separator < dot ? std::string(file.substr(separator + 2, dot - separator - 2))
                                     : std::string(),
            .suffix = LowerCase(file.substr(dot))};
  std::replace(name.version.begin(), name.version.end(), '_', '.');
  std::replace(name.title.begin(), name.title.end(), '_', ' ');
  if (name.prefix == 'R') {
    if (separator != 1) return std::nullopt;
    return name;
  }
  const bool is_version = !name.version.empty() &&
                          name.version.find_first_not_of("0123456789.") == std::string::npos &&
                          LeadingDigits(name.version) > 0;
  if (!is_version) return std::nullopt;
  return name;
}

std::vector<std::string> Parts(std::string_view version) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t dot = version.find('.');
    parts.emplace_back(version.substr(0, dot));
    if (dot == std::string_view::npos) break;
    version.remove_prefix(dot + 1);
  }
  // 1 and 1.0 are the same version.
  while (parts.size() > 1 && CompareNumbers(parts.back(), "0") == 0) parts.pop_back();
  return parts;
}

int CompareVersions(std::string_view one, std::string_view other) {
  const std::vector<std::string> a = Parts(one);
  const std::vector<std::string> b = Parts(other);
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const int order = CompareNumbers(i < a.size() ? a[i] : "0", i < b.size() ? b[i] : "0");
    if (order != 0) return order;
  }
  return 0;
}

bool IsCallback(std::string_view file) {
  if (!file.ends_with(".sql")) return false;
  return file.starts_with("before") || file.starts_with("after") ||
         file.starts_with("createSchema");
}

class FlywayReader {
 public:
  explicit FlywayReader(const HistoryReader& reader) : reader_(reader) {}

  void Read() {
    for (const auto& [path, text] : reader_.files) ReadFile(path, text);
    for (auto& [path, undo] : undos_) GiveUndo(path, undo);
    std::stable_sort(versioned_.begin(), versioned_.end(),
                     [](const SourceMigration& a, const SourceMigration& b) {
                       return CompareVersions(a.version, b.version) < 0;
                     });
    for (std::size_t i = 1; i < versioned_.size(); ++i) {
      if (CompareVersions(versioned_[i - 1].version, versioned_[i].version) != 0) continue;
      reader_.Refuse(
          versioned_[i].up.file, 0, "IMPORT_DUPLICATE_VERSION",
          "version " + versioned_[i].version + " is also that of " + versioned_[i - 1].up.file);
    }
    // Flyway runs them after everything else, by their description.
    std::stable_sort(
        repeatables_.begin(), repeatables_.end(),
        [](const SourceMigration& a, const SourceMigration& b) { return a.name < b.name; });
    reader_.history.migrations = std::move(versioned_);
    for (SourceMigration& repeatable : repeatables_) {
      reader_.history.migrations.push_back(std::move(repeatable));
    }
  }

 private:
  void ReadFile(const std::string& path, const std::string& text) {
    const std::string file(BaseName(path));
    const std::optional<Name> name = ReadName(file);
    if (IsCallback(file)) {
      reader_.Refuse(path, 0, "IMPORT_CALLBACK",
                     "a callback of Flyway cannot be carried over; what it does belongs into a "
                     "revision");
    } else if (!name.has_value()) {
      reader_.Ignore(path);
    } else if (name->suffix == ".java" || name->suffix == ".kt" || name->suffix == ".class") {
      reader_.RefuseCode(path, "Java");
    } else if (name->suffix != ".sql") {
      // V1__a.sql.conf belongs to V1__a.sql.
      if (name->suffix != ".conf") reader_.Ignore(path);
    } else if (name->prefix == 'B') {
      reader_.Refuse(path, 0, "IMPORT_BASELINE",
                     "a baseline replaces the versions up to " + name->version +
                         "; import the folder without it, or rename it to V and take those away");
    } else if (name->prefix == 'U') {
      undos_.emplace(path, *name);
    } else {
      Add(path, text, *name);
    }
  }

  void Add(const std::string& path, const std::string& text, const Name& name) {
    SourceMigration migration;
    migration.name = name.title;
    migration.up = Script(path, text);
    if (name.prefix == 'V') {
      migration.version = name.version;
      versioned_.push_back(std::move(migration));
      return;
    }
    // A changed text runs again: it is a migration of its own.
    migration.version = "R " + name.title + " " + Sha256Hex(migration.up.text).substr(0, 12);
    reader_.Note(
        path, 0, "IMPORT_REPEATABLE",
        "carried over as a revision of its text as it is now; after a change import again, "
        "or move it to " +
            std::string("repeatable/ (docs/writing-a-revision.md)"));
    repeatables_.push_back(std::move(migration));
  }

  void GiveUndo(const std::string& path, const Name& undo) {
    for (SourceMigration& migration : versioned_) {
      if (CompareVersions(migration.version, undo.version) != 0) continue;
      if (!migration.down.file.empty()) {
        reader_.Refuse(path, 0, "IMPORT_DUPLICATE_VERSION",
                       "version " + undo.version + " has another undo, " + migration.down.file);
      }
      migration.down = Script(path, reader_.files.at(path));
      return;
    }
    reader_.Refuse(path, 0, "IMPORT_UP_MISSING",
                   "there is no V" + undo.version + " that it undoes");
  }

  SourceScript Script(const std::string& path, const std::string& text) {
    SourceScript script{.file = path, .text = text};
    bool replaces = true;
    if (const auto conf = reader_.files.find(path + ".conf"); conf != reader_.files.end()) {
      for (const SourceLine& line : LinesOf(conf->second)) {
        const std::size_t equals = line.text.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string_view key = Trimmed(line.text.substr(0, equals));
        const bool is_false = LowerCase(Trimmed(line.text.substr(equals + 1))) == "false";
        if (key == "executeInTransaction") script.in_transaction = !is_false;
        if (key == "placeholderReplacement") replaces = !is_false;
      }
    }
    if (!replaces) return script;
    std::vector<MissingPlaceholder> missing;
    script.text = ReplacePlaceholders(
        text, [&](std::string_view name) { return ValueOf(name, path); }, missing);
    for (const MissingPlaceholder& gap : missing) {
      reader_.Refuse(path, gap.line, "IMPORT_PLACEHOLDER_MISSING",
                     "${" + gap.name + "} has no value; give --placeholder " + gap.name + "=...");
    }
    return script;
  }

  std::optional<std::string> ValueOf(std::string_view name, const std::string& path) {
    const auto given = reader_.options.placeholders.find(std::string(name));
    if (given != reader_.options.placeholders.end()) return given->second;
    if (name == "flyway:defaultSchema") return reader_.options.schemas.front();
    if (name == "flyway:filename") return std::string(BaseName(path));
    return std::nullopt;
  }

  const HistoryReader& reader_;
  std::vector<SourceMigration> versioned_;
  std::vector<SourceMigration> repeatables_;
  std::map<std::string, Name> undos_;
};

}  // namespace

void ReadFlyway(const HistoryReader& reader) { FlywayReader(reader).Read(); }

}  // namespace lockstep::migration
