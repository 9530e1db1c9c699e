// Migrations of another tool as folders of ours. Internal to the importer. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/civil_time.h"
#include "services/migration/importer/history.h"
#include "services/migration/importer/splitter.h"

namespace lockstep::migration {

// A revision before it is written.
struct RevisionFiles {
  std::string id;
  std::string folder;  // "<service>/<id>_<slug>"
  std::string title;
  std::string source;                        // the file that it comes from; "" of the first one
  std::string irreversible_reason;           // "" = it can be undone
  std::map<std::string, std::string> files;  // without revision.textproto
  std::string spec;  // revision.textproto but for parent and day, which depend on the target
};

struct WriteOptions {
  HistoryFormat format = HistoryFormat::kGolangMigrate;
  std::string service;
  std::vector<std::string> schemas;
};

// Stands for the version in the id of the first revision of an import.
inline constexpr std::string_view kAccessVersion = "import_access";

// The id of a migration: from format, service and version, [0-9a-z_]{4,64}.
std::string RevisionIdOf(const WriteOptions& options, std::string_view version);

// The first revision of every import: what lets the service's owner make objects where the history
// has its own.
RevisionFiles AccessRevision(const WriteOptions& options);

// What cannot be run as a step goes to `history.problems`.
RevisionFiles RevisionOf(const WriteOptions& options, const SourceMigration& migration,
                         std::vector<ScriptPart> ups, std::vector<ScriptPart> downs,
                         History& history);

// revision.textproto as a whole. `parent` "" = none.
std::string SpecText(const RevisionFiles& revision, std::string_view parent,
                     std::string_view created);

// The day in a version such as 20240131120000 or 1706702400; `otherwise` when there is none.
absl::CivilDay DayOf(std::string_view version, absl::CivilDay otherwise);

}  // namespace lockstep::migration
