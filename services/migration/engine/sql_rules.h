// Which SQL a revision may hold. One function, one list of rules; every finding has file, line and
// a stable code.
//
// The engine owns transactions, roles, limits and the search path, and each service owns its
// schemas (ownership.h). What DO blocks and functions hide cannot be seen here; the runner checks
// again before it commits. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"
#include "services/migration/engine/sql_reader.h"

namespace lockstep::migration {

enum class ScriptRole {
  kStep,   // up or down of a step
  kCheck,  // expect, verify or guard: queries only
};

struct RuleContext {
  std::string_view service;
  ScriptRole role = ScriptRole::kStep;
  StepKind kind = StepKind::kTransactional;              // of a step's scripts
  const std::vector<std::string>* references = nullptr;  // RevisionSpec.references
  // Of a PHASE_LEGACY: what other services own and what the engine does itself stays out of reach;
  // the rest is as its authors wrote it.
  bool is_legacy = false;
  bool has_copy_data = false;  // of a legacy step: its COPY FROM STDIN has the rows
};

// Checks `sql` and appends what is wrong with it. Declared references that it uses are added to
// `used_references`.
void CheckSql(const ReadSql& sql, const RuleContext& context,
              std::set<std::string>& used_references, std::vector<Problem>& problems);

}  // namespace lockstep::migration
