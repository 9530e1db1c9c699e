// What is wrong with a migrations folder: one value per finding, collected instead of stopping at
// the first.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep::migration {

struct Problem {
  std::string file;  // relative to the migrations folder
  int line = 0;      // 1-based; 0 = the file or folder as a whole
  int column = 0;    // 1-based; 0 = unknown
  std::string code;  // stable, UPPER_SNAKE_CASE: "UNKNOWN_PARENT"
  std::string message;

  // "orders/84bc_x/up.sql:12:3: message (CODE)", without the parts that are 0.
  std::string text() const;

  friend bool operator==(const Problem&, const Problem&) = default;
};

// Orders by file, line, column, code.
void SortProblems(std::vector<Problem>& problems);

// One line per problem.
std::string JoinProblems(const std::vector<Problem>& problems);

}  // namespace lockstep::migration
