// Reads SQL and says what it would do to the people who use the database meanwhile.
//
// The rules are docs/lint/*.md (rule_page.h): each has an id, a hazard, a lock and a safe form. The
// linter reads scripts in the order in which they run and keeps a model of the schema on the way: a
// table that the same plan makes has no users, and what an earlier statement added counts. Where
// the model comes from a live catalog, it knows sizes, types and dependents as well. Code in DO
// blocks and function bodies cannot be seen. Pure; reads more than 10,000 statements per second
// (tests/bench/lint.py).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/migration/engine/lint/finding.h"
#include "services/migration/engine/lint/schema_model.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

enum class LintRole {
  kPlain,  // a file that is no revision's
  kUp,     // of a step
  kDown,   // of a step
  kCheck,  // verify, guard, expect: queries only
};

// One script in the order in which scripts run. The pointers must outlive the call.
struct LintUnit {
  const Script* script = nullptr;
  LintRole role = LintRole::kPlain;
  const Revision* revision = nullptr;  // nullptr of kPlain
  const Step* step = nullptr;          // of kUp, kDown and expectations
};

// How whoever runs a plain file does it.
enum class PlainFiles {
  kAsTheySay,  // BEGIN in the file counts; with a statement that cannot run inside a transaction
               // each runs alone; else all of it is one transaction
  kInside,     // within a transaction of theirs
  kAlone,      // statement by statement; BEGIN in the file counts
};

// A step that is forecast to take longer than its phase allows while it keeps writers waiting.
struct LintForecast {
  std::string revision;
  int step = 0;  // ordinal
  std::string message;
  bool is_sure = false;  // also by the shortest forecast: no upgrade begins with it
};

struct LintOptions {
  PlainFiles plain_files = PlainFiles::kAsTheySay;
  std::string today;  // YYYY-MM-DD, for suppressions that end
  // Tells of suppressions that allow nothing. In a plan that makes a table anew none is needed.
  bool tells_unused = true;
  // Checksums of revisions whose way back was rehearsed; nullopt = nobody asked.
  std::optional<std::set<std::string>> rehearsed = std::nullopt;
  std::vector<LintForecast> forecasts = {};
};

// A table with more rows is not small: what scans or rewrites it online is an error.
inline constexpr std::int64_t kSmallTable = 10'000;

// Looks at the scripts of one plan. `model` is what is there before it, and afterwards what is
// there once they have run.
LintReport Lint(const std::vector<LintUnit>& units, const LintOptions& options, SchemaModel& model);

// The units of one revision: its ups in order, its downs in the order of an undo, its checks.
std::vector<LintUnit> UnitsOf(const Revision& revision);

}  // namespace lockstep::migration
