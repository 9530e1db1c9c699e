// Reads SQL text with PostgreSQL's own parser.
//
// `ReadScript` strips a byte order mark, splits into statements, extracts the facts that planner
// and runner need, and computes the checksum. What the parser cannot read (newer syntax) is one
// opaque statement: never split by guess. Whether a script is *allowed* is decided by sql_rules.h.
// Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"

namespace lockstep::migration {

// Reads `text`. `file` is only for messages. Bytes that no script may hold (U+0000, broken UTF-8)
// go to `problems` with their line, and the script comes back empty. An opaque script adds one
// warning with the parser's words and place.
Script ReadScript(std::string_view file, std::string_view text, std::vector<Problem>& problems,
                  std::vector<Problem>& warnings);

// The same for text that does not come from a file of definitions (archived scripts, tests).
// INVALID_ARGUMENT (SCRIPT_INVALID) for bytes that no script may hold.
[[nodiscard]] absl::StatusOr<Script> ReadScript(std::string_view file, std::string_view text);

// Reads one CREATE INDEX statement, such as pg_get_indexdef() returns, into the form in which
// ScriptFacts holds indexes: two builds are the same exactly when the values are equal. Spelling,
// brackets and implied casts do not count, nor do CONCURRENTLY and IF NOT EXISTS. INVALID_ARGUMENT
// (NOT_AN_INDEX_DEFINITION).
[[nodiscard]] absl::StatusOr<IndexBuild> ReadIndexDefinition(std::string_view create_index);

// The names of the constraints that one ALTER TABLE ... VALIDATE CONSTRAINT statement is about, in
// order. Empty for every other text.
std::vector<std::string> ValidatedConstraints(std::string_view alter_table);

// 1-based line of byte `offset` in `text`.
int LineOf(std::string_view text, std::size_t offset);

}  // namespace lockstep::migration
