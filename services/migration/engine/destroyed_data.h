// Rules about RevisionSpec.destroys: what an undo's own UPDATE or DELETE takes away is declared,
// and the declaration can be run. Internal to the loader.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "services/migration/engine/problem.h"
#include "services/migration/engine/spec_reader.h"

namespace lockstep::migration {

// Checks a draft whose scripts are loaded:
//   DESTROYS_UNDECLARED  a down script writes rows of a table that `destroys` does not name, and no
//                        undo of the revision drops
//   DESTROYS_INVALID     a condition is no SQL condition
// and what sql_rules.h says about queries. Both with file and line.
void CheckDestroyedData(const RevisionDraft& draft, std::set<std::string>& used_references,
                        std::vector<Problem>& problems);

}  // namespace lockstep::migration
