// A folder of another tool's migrations as values.
//
// `ReadHistory` knows each tool's own rules: which files are migrations, in which order they run,
// and what the marks in them mean. It does not look at the SQL itself: that is the splitter's work.
// It never stops at the first mistake. Pure: files come in as a map.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/problem.h"

namespace lockstep::migration {

enum class HistoryFormat {
  kGolangMigrate,
  kGoose,
  kDbmate,
  kDiesel,
  kFlyway,
  kSqitch,
  kAlembicSql,
  kSourcegraph,
};

// "golang-migrate", as --format spells it; all of them.
std::string_view ToText(HistoryFormat format);
std::optional<HistoryFormat> ParseHistoryFormat(std::string_view text);
std::vector<std::string> HistoryFormats();

// Path relative to the folder, with '/', to the bytes of the file.
using SourceFiles = std::map<std::string, std::string>;

// One direction of a migration. Its statements stand on the lines on which they stand in `file`.
struct SourceScript {
  std::string file;  // "" = there is none
  std::string text;
  bool in_transaction = true;  // the tool wraps it in one
};

struct SourceMigration {
  std::string version;  // unique in the history; as the tool writes it
  std::string name;     // for people
  SourceScript up;
  SourceScript down;
  bool is_privileged = false;     // the tool says that only a superuser may run it
  std::vector<std::string> tags;  // names of this point of the history
};

struct History {
  std::vector<SourceMigration> migrations;  // in the order in which the tool runs them
  std::vector<Problem> problems;            // what cannot be carried over
  std::vector<Problem> notes;               // what is carried over in another way, or left out
  std::vector<std::string> ignored;         // files that are no part of the history
};

struct HistoryOptions {
  HistoryFormat format = HistoryFormat::kGolangMigrate;
  std::vector<std::string> schemas = {
      "public"};  // where names without a schema are, first one first
  std::map<std::string, std::string> placeholders;  // values of ${name} and :name
};

History ReadHistory(const SourceFiles& files, const HistoryOptions& options);

}  // namespace lockstep::migration
