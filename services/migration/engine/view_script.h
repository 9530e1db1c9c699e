// The scripts of a view rewrite: which views they make anew, and from which queries. Pure.
#pragma once

#include <string>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"

namespace lockstep::migration {

// What one statement of the script does.
struct ViewStatement {
  enum class Kind {
    kReplace,  // CREATE OR REPLACE VIEW
    kDrop,     // DROP [MATERIALIZED] VIEW
    kCreate,   // CREATE [MATERIALIZED] VIEW of what was dropped before
    kAfter,    // an index, comment or grant of such a view
  };
  Kind kind = Kind::kAfter;
  std::string schema;  // of the view; "" for kAfter
  std::string name;
  bool is_materialized = false;
  std::string columns;          // "(a, b)" as written before AS; "" = none
  std::string query;            // what stands behind AS
  bool states_options = false;  // WITH (...) stands before AS
  std::string index;            // kAfter: the name of the index that it makes; "" = none

  bool MakesView() const { return kind == Kind::kReplace || kind == Kind::kCreate; }
  std::string view() const { return schema + "." + name; }
};

// One for each statement of `script`. What no rewrite may hold goes to `problems`
// (VIEW_REWRITE_INVALID, with its line); empty for a script that the parser could not read.
std::vector<ViewStatement> ReadViewScript(const Script& script, std::vector<Problem>& problems);

}  // namespace lockstep::migration
