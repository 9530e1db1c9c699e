#include "services/migration/importer/history.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

struct Format {
  HistoryFormat format;
  std::string_view text;
  void (*read)(const HistoryReader&);
};

constexpr std::array kFormats = {
    Format{HistoryFormat::kGolangMigrate, "golang-migrate", ReadGolangMigrate},
    Format{HistoryFormat::kGoose, "goose", ReadGoose},
    Format{HistoryFormat::kDbmate, "dbmate", ReadDbmate},
    Format{HistoryFormat::kDiesel, "diesel", ReadDiesel},
    Format{HistoryFormat::kFlyway, "flyway", ReadFlyway},
    Format{HistoryFormat::kSqitch, "sqitch", ReadSqitch},
    Format{HistoryFormat::kAlembicSql, "alembic-sql", ReadAlembicSql},
    Format{HistoryFormat::kSourcegraph, "sourcegraph", ReadSourcegraph},
};

const Format& Of(HistoryFormat format) {
  return *std::find_if(kFormats.begin(), kFormats.end(),
                       [&](const Format& candidate) { return candidate.format == format; });
}

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

std::string_view ToText(HistoryFormat format) { return Of(format).text; }

std::optional<HistoryFormat> ParseHistoryFormat(std::string_view text) {
  for (const Format& format : kFormats) {
    if (format.text == text) return format.format;
  }
  return std::nullopt;
}

std::vector<std::string> HistoryFormats() {
  std::vector<std::string> names;
  for (const Format& format : kFormats) names.emplace_back(format.text);
  return names;
}

void HistoryReader::RefuseCode(const std::string& file, std::string_view language) const {
  Refuse(file, 0, "IMPORT_NOT_SQL",
         "a migration in " + std::string(language) +
             " cannot be carried over; write what it does as SQL in a revision of its own");
}

void HistoryReader::OrderByNumber() const {
  std::stable_sort(history.migrations.begin(), history.migrations.end(),
                   [](const SourceMigration& a, const SourceMigration& b) {
                     return CompareNumbers(a.version, b.version) < 0;
                   });
  RefuseDuplicates();
}

void HistoryReader::RefuseDuplicates() const {
  for (std::size_t i = 1; i < history.migrations.size(); ++i) {
    const SourceMigration& one = history.migrations[i - 1];
    const SourceMigration& other = history.migrations[i];
    const bool are_numbers = LeadingDigits(one.version) == one.version.size() &&
                             LeadingDigits(other.version) == other.version.size();
    if (are_numbers ? CompareNumbers(one.version, other.version) != 0
                    : one.version != other.version) {
      continue;
    }
    Refuse(other.up.file, 0, "IMPORT_DUPLICATE_VERSION",
           "version " + other.version + " is also that of " + one.up.file);
  }
}

History ReadHistory(const SourceFiles& files, const HistoryOptions& options) {
  History history;
  SourceFiles clean;
  for (const auto& [path, bytes] : files) {
    std::string& text = clean[path] = bytes;
    // Not a line break: everything stays where it is.
    if (text.starts_with(kByteOrderMark)) text.replace(0, kByteOrderMark.size(), 3, ' ');
  }
  Of(options.format).read({clean, options, history});
  if (history.migrations.empty() && history.problems.empty()) {
    history.problems.push_back(
        {"", 0, 0, "IMPORT_EMPTY",
         "the folder holds no migration in the layout of " + std::string(ToText(options.format))});
  }
  SortProblems(history.problems);
  SortProblems(history.notes);
  return history;
}

}  // namespace lockstep::migration
