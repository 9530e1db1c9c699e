// What the linter has to say about one place of a script. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::migration {

enum class LintLevel { kNote, kWarning, kError };

// "note", "warning", "error".
std::string_view ToText(LintLevel level);

struct LintFinding {
  std::string rule;  // "L01"
  LintLevel level = LintLevel::kNote;
  std::string file;
  int line = 0;            // 1-based; 0 = the file as a whole
  int column = 0;          // 1-based, in code points; 0 = unknown
  std::size_t offset = 0;  // byte of the script
  std::string revision;    // id; "" for a file that is no revision's
  int step = 0;            // ordinal; 0 when it is not about one step
  std::string object;      // what it is about, "core.orders"; "" when it is no single one
  std::string message;     // what happens here, for a person
  // The statement scans or rewrites a table that is not small under a lock that blocks its writers:
  // an upgrade refuses it. Only with a live catalog. Or it is forecast to take too long (M10).
  bool is_forbidden = false;
  std::int64_t rows = 0;  // is_forbidden: of the table, about
  // Why it was allowed; "" = it stands.
  std::string suppressed_because;
};

struct LintReport {
  std::vector<LintFinding> findings;  // by file, line, column, rule; suppressed ones included
  int statements = 0;
  int unreadable_files = 0;  // that the parser could not read: their contents are unknown
};

// Findings of at least `level` that nothing suppresses.
int CountOf(const LintReport& report, LintLevel level);

}  // namespace lockstep::migration
