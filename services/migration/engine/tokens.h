// Tokens of SQL text: PostgreSQL's own scanner, and a small reader for text that even the scanner
// refuses.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::migration {

struct Token {
  std::size_t begin = 0;  // bytes
  std::size_t end = 0;
  bool is_comment = false;
  bool is_keyword = false;
};

// The tokens of `text` as PostgreSQL 15 scans them, comments included; nullopt when it cannot.
// REQUIRES: no U+0000.
std::optional<std::vector<Token>> ScanTokens(const std::string& text);

// One word of code: outside comments, strings, quoted identifiers and dollar quotes.
struct Word {
  std::size_t begin = 0;          // bytes
  std::string text;               // upper case; a single character for punctuation
  bool starts_statement = false;  // first word after the start or after a semicolon
};

// Reads words without a grammar, so that it works on any text. A quoted thing is the word "'" or
// "\"".
std::vector<Word> CodeWords(std::string_view text);

// Offsets of the backslashes with which a psql meta command starts: the first character of a line
// that is no white space and stands outside quotes and comments. Also `\gexec` and its like after a
// statement on the same line.
std::vector<std::size_t> MetaCommands(std::string_view text);

}  // namespace lockstep::migration
