// One reader for each tool. Internal to the importer; other code calls ReadHistory().
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "services/migration/importer/history.h"

namespace lockstep::migration {

// What a reader reads and where it puts what it found.
struct HistoryReader {
  const SourceFiles& files;
  const HistoryOptions& options;
  History& history;

  void Refuse(const std::string& file, int line, const char* code, std::string message) const {
    history.problems.push_back({file, line, 0, code, std::move(message)});
  }
  void Note(const std::string& file, int line, const char* code, std::string message) const {
    history.notes.push_back({file, line, 0, code, std::move(message)});
  }
  void Ignore(const std::string& file) const { history.ignored.push_back(file); }
  // A migration that is written in a programming language.
  void RefuseCode(const std::string& file, std::string_view language) const;
  // Orders by number and refuses versions that stand there twice.
  void OrderByNumber() const;
  void RefuseDuplicates() const;
};

void ReadGolangMigrate(const HistoryReader& reader);
void ReadGoose(const HistoryReader& reader);
void ReadDbmate(const HistoryReader& reader);
void ReadDiesel(const HistoryReader& reader);
void ReadFlyway(const HistoryReader& reader);
void ReadSqitch(const HistoryReader& reader);
void ReadAlembicSql(const HistoryReader& reader);
void ReadSourcegraph(const HistoryReader& reader);

}  // namespace lockstep::migration
