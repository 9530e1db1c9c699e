// Names in a text that is SQL or a part of it. Internal to the footprint.
//
// A text in C++ is often a piece of a statement, cut in the middle of a list or of a quotation, so
// nothing here depends on what stands around a name: quotations, comments and grammar are ignored.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::migration::footprint {

// A name, a run of digits, or one other character that is not white space.
struct Word {
  enum class Kind { kName, kNumber, kOther };
  Kind kind = Kind::kOther;
  std::string text = {};  // of a name as PostgreSQL folds it: lower case unless it is quoted
  std::size_t begin = 0;  // bytes of the text
  std::size_t end = 0;
  bool is_quoted = false;

  bool IsName() const { return kind == Kind::kName; }
  bool Is(char c) const { return kind == Kind::kOther && text[0] == c; }
  // Whether it is this key word, given in lower case.
  bool IsKeyword(std::string_view keyword) const {
    return IsName() && !is_quoted && text == keyword;
  }
};

std::vector<Word> ReadWords(std::string_view text);

// Names joined by dots: schema.relation.column, alias.column, or one name alone.
struct Chain {
  std::vector<std::string> parts;
  std::size_t first = 0;  // position of its first word
  std::size_t last = 0;   // and of its last
  bool is_tight = true;   // no white space in it
};

// The longest chain that begins at the word `at`; REQUIRES: words[at].IsName().
Chain ReadChain(const std::vector<Word>& words, std::size_t at);

}  // namespace lockstep::migration::footprint
