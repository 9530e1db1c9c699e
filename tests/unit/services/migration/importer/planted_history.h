// Histories as values, and what the readers and the splitter say about them in short texts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "services/migration/importer/client_text.h"
#include "services/migration/importer/history.h"
#include "services/migration/importer/source_text.h"
#include "services/migration/importer/splitter.h"

namespace lockstep::migration {

inline History ReadPlanted(HistoryFormat format, const SourceFiles& files,
                           std::map<std::string, std::string> placeholders = {}) {
  HistoryOptions options;
  options.format = format;
  options.placeholders = std::move(placeholders);
  return ReadHistory(files, options);
}

// "1:one 2:two", in order.
inline std::string VersionsOf(const History& history) {
  std::string text;
  for (const SourceMigration& migration : history.migrations) {
    text += (text.empty() ? "" : " ") + migration.version + ":" + migration.name;
  }
  return text;
}

inline std::vector<std::string> TextsOf(const std::vector<Problem>& problems) {
  std::vector<std::string> texts;
  for (const Problem& problem : problems) {
    texts.push_back(problem.file + ":" + std::to_string(problem.line) + " " + problem.code);
  }
  return texts;
}

// What is left of a script without white space around it.
inline std::string CodeOf(const SourceScript& script) { return std::string(Trimmed(script.text)); }

// "T: sql | N: sql | P: sql", line breaks as spaces; rows of COPY in brackets.
inline std::string PartsOf(const SourceScript& script, History& history,
                           const SplitOptions& options = {}) {
  const ServerText text = TakeClientParts(script, false, {}, history);
  std::string told;
  for (const ScriptPart& part : SplitScript(script, text, options, history)) {
    const char* kind = part.kind == StepKind::kPrivileged         ? "P: "
                       : part.kind == StepKind::kNonTransactional ? "N: "
                                                                  : "T: ";
    std::string sql(Trimmed(part.sql));
    for (char& c : sql) c = c == '\n' ? ' ' : c;
    told += (told.empty() ? "" : " | ") + std::string(kind) + sql;
    if (!part.copy_data.empty()) told += " [" + part.copy_data + "]";
  }
  return told;
}

}  // namespace lockstep::migration
