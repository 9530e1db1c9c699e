// A script together with what its statements are and name: the input of sql_rules. Internal to the
// loader and the importer; other code uses sql.h.
#pragma once

#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"
#include "services/migration/engine/sql_analysis.h"

namespace lockstep::migration {

struct ReadSql {
  Script script;
  std::vector<Statement> statements;  // empty when the script is opaque
  bool is_readable = true;            // false: the bytes were refused
};

// See ReadScript() in sql.h.
ReadSql ReadSqlText(std::string_view file, std::string_view text, std::vector<Problem>& problems,
                    std::vector<Problem>& warnings);

// Frees what the parser keeps for the calling thread. To be called by a thread that read SQL before
// it ends.
void ReleaseParserMemory();

}  // namespace lockstep::migration
