// The string literals of C++ source text, as the compiler would see them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep::migration::footprint {

// Literals that stand next to each other are one.
struct Literal {
  std::string text;  // without quotes, escapes resolved
  // Where lines begin: offset in `text` and 1-based line of the source, ascending; never empty.
  std::vector<std::pair<std::size_t, int>> lines;

  // The line of the source on which the character at `offset` is written.
  int LineAt(std::size_t offset) const;
};

// All string literals of `source` in order: ordinary and raw ones, of every encoding. Comments,
// characters and the names of included files are none. Macros are not expanded: a macro between two
// literals separates them. Pure; thread-safe.
std::vector<Literal> ReadLiterals(std::string_view source);

}  // namespace lockstep::migration::footprint
