// Cuts the script of a migration into parts that are steps of ours.
//
// What PostgreSQL runs in one transaction stays together; what refuses a transaction, what only an
// administrator may do, and rows for COPY become parts of their own; what may only be used once it
// is committed ends a part. Internal to the importer. Pure.
#pragma once

#include <string>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/importer/client_text.h"
#include "services/migration/importer/history.h"

namespace lockstep::migration {

struct ScriptPart {
  StepKind kind = StepKind::kTransactional;
  std::string sql;
  std::string copy_data;   // "" = none
  std::vector<int> lines;  // the line of the source file for each line of `sql`
};

struct SplitOptions {
  std::string schema = "public";  // of names without one
  std::string owner = "owner";    // role of the service
  bool is_privileged = false;     // all of it
};

// The parts in the order in which they run; none when the script holds no statement. What is left
// out or changed goes to `history.notes`, what cannot be carried over to `history.problems`.
std::vector<ScriptPart> SplitScript(const SourceScript& script, const ServerText& text,
                                    const SplitOptions& options, History& history);

}  // namespace lockstep::migration
