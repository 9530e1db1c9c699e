// `lockstep import`: a folder of another tool's migrations becomes revisions of ours.
//
// Every migration of the history is one revision of PHASE_LEGACY; its id follows from the format,
// the service and the version, so that importing again adds only what is new. Everything is read
// and checked before the first file is written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "services/migration/engine/problem.h"
#include "services/migration/importer/history.h"

namespace lockstep::migration {

struct ImportOptions {
  std::string folder;  // of the history
  HistoryOptions history;
  std::string service;
  std::string target;  // migrations folder; made when it is not there
  absl::CivilDay today;
  bool is_dry_run = false;        // writes nothing
  bool allow_incomplete = false;  // writes what can be carried over though something cannot
};

struct ImportedRevision {
  std::string id;
  std::string folder;
  std::string title;
  std::string source;
  std::string irreversible_reason;
  int steps = 1;
  bool is_new = true;  // false: it was there already, with the same content
};

struct ImportReport {
  std::vector<ImportedRevision> revisions;  // in order
  std::vector<Problem> problems;  // what cannot be carried over; files are relative to the history
  std::vector<Problem> notes;
  std::vector<std::string> ignored;
  bool was_written = false;
};

// The files below `folder`, hidden ones left out; NOT_FOUND (IMPORT_FOLDER_MISSING).
absl::StatusOr<SourceFiles> ReadSourceFiles(const std::string& folder);

// Problems of the history are in the report, not in the status. INVALID_ARGUMENT (SERVICE_UNKNOWN,
// DEFINITIONS_INVALID of the target); FAILED_PRECONDITION (SEVERAL_HEADS); ABORTED
// (IMPORT_DIFFERS: a revision that was imported before has another content now); INTERNAL
// (FOLDER_NOT_WRITTEN).
absl::StatusOr<ImportReport> ImportHistory(const ImportOptions& options);

}  // namespace lockstep::migration
