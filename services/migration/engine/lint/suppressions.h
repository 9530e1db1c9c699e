// Rules that are broken on purpose. Internal to the linter.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/lint/lint.h"
#include "services/migration/engine/sql_analysis.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {

// "-- lint: allow L01 until 2027-01-31 because the table has ten rows", before a statement.
struct InlineSuppression {
  std::string rule;
  std::string until;  // "" = for good
  std::string reason;
  int line = 0;
  std::size_t begin = 0;  // bytes of the statement that it is about
  std::size_t end = 0;
  std::string problem;  // why it does not count; "" = it does
};

// Those in the comments of a script. `statements` are its statements.
std::vector<InlineSuppression> ReadSuppressions(const std::string& text,
                                                const std::vector<Token>& tokens,
                                                const std::vector<Statement>& statements);

// Marks the findings of one script that its comments allow, and appends M09 for comments that
// allow nothing or are out of date.
void ApplySuppressions(const std::vector<InlineSuppression>& inlined, const std::string& file,
                       const LintOptions& options, std::vector<LintFinding>& findings);

// The same for what a revision's revision.textproto allows.
void ApplySuppressions(const Revision& revision, const LintOptions& options,
                       std::vector<LintFinding>& findings);

}  // namespace lockstep::migration
