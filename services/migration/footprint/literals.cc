#include "services/migration/footprint/literals.h"

#include <algorithm>
#include <cctype>
#include <iterator>

namespace lockstep::migration::footprint {
namespace {

bool IsWordChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

class Reader {
 public:
  explicit Reader(std::string_view source) : source_(source) {}

  std::vector<Literal> Read() {
    while (at_ < source_.size()) ReadNext();
    return std::move(literals_);
  }

 private:
  char Peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  // Takes one character of the source.
  char Take() {
    const char c = source_[at_++];
    if (c == '\n') {
      ++line_;
      begins_line_ = true;
    } else if (c != ' ' && c != '\t') {
      begins_line_ = false;
    }
    return c;
  }

  void TakeUntilAfter(std::string_view end) {
    const std::size_t found = source_.find(end, at_);
    const std::size_t stop = found == std::string_view::npos ? source_.size() : found + end.size();
    while (at_ < stop) Take();
  }

  void ReadNext() {
    const char c = Peek();
    if (source_.substr(at_).starts_with("//")) {
      TakeUntilAfter("\n");
    } else if (source_.substr(at_).starts_with("/*")) {
      TakeUntilAfter("*/");
    } else if (c == '#' && begins_line_) {
      ReadDirective();
    } else if (c == '"') {
      ReadText(/*is_raw=*/false);
    } else if (c == '\'') {
      ReadCharacter();
    } else if (IsDigit(c)) {
      ReadNumber();
    } else if (IsWordChar(c)) {
      ReadWord();
    } else {
      // White space, and the backslash that continues a macro, do not separate literals.
      const bool separates = std::isspace(static_cast<unsigned char>(c)) == 0 &&
                             !(c == '\\' && (Peek(1) == '\n' || Peek(1) == '\r'));
      if (separates) is_joined_ = false;
      Take();
    }
  }

  void ReadDirective() {
    is_joined_ = false;
    Take();
    while (Peek() == ' ' || Peek() == '\t') Take();
    if (source_.substr(at_).starts_with("include")) TakeUntilAfter("\n");
  }

  void ReadCharacter() {
    is_joined_ = false;
    Take();
    while (at_ < source_.size() && Peek() != '\'' && Peek() != '\n') {
      if (Take() == '\\' && at_ < source_.size()) Take();
    }
    if (Peek() == '\'') Take();
  }

  // An apostrophe inside a number separates digits.
  void ReadNumber() {
    is_joined_ = false;
    while (IsWordChar(Peek()) || Peek() == '.' || (Peek() == '\'' && IsWordChar(Peek(1)))) Take();
  }

  void ReadWord() {
    const std::size_t begin = at_;
    while (IsWordChar(Peek())) Take();
    const std::string_view word = source_.substr(begin, at_ - begin);
    const bool is_raw =
        word == "R" || word == "LR" || word == "uR" || word == "UR" || word == "u8R";
    const bool is_prefix = is_raw || word == "L" || word == "u" || word == "U" || word == "u8";
    if (Peek() == '"' && is_prefix) {
      ReadText(is_raw);
    } else {
      is_joined_ = false;
    }
  }

  void Mark() {
    Literal& literal = literals_.back();
    literal.lines.emplace_back(literal.text.size(), line_);
  }

  void ReadText(bool is_raw) {
    if (!is_joined_) literals_.emplace_back();
    Take();
    Mark();
    if (is_raw) {
      ReadRaw();
    } else {
      ReadOrdinary();
    }
    // "..."sv: the suffix is no word that would separate two literals.
    while (IsWordChar(Peek()) && !IsPrefixOfText()) Take();
    is_joined_ = true;
  }

  // Whether the word here begins another literal, as in "a"R"(b)".
  bool IsPrefixOfText() const {
    std::size_t end = at_;
    while (end < source_.size() && IsWordChar(source_[end])) ++end;
    return end < source_.size() && source_[end] == '"';
  }

  void ReadRaw() {
    std::string end = ")";
    while (at_ < source_.size() && Peek() != '(') end += Take();
    end += '"';
    if (at_ < source_.size()) Take();
    while (at_ < source_.size() && !source_.substr(at_).starts_with(end)) {
      const char c = Take();
      literals_.back().text += c;
      if (c == '\n') Mark();
    }
    for (std::size_t i = 0; i < end.size() && at_ < source_.size(); ++i) Take();
  }

  void ReadOrdinary() {
    while (at_ < source_.size() && Peek() != '"' && Peek() != '\n') {
      const char c = Take();
      if (c == '\\' && at_ < source_.size()) {
        ReadEscape();
      } else {
        literals_.back().text += c;
      }
    }
    if (Peek() == '"') Take();
  }

  void ReadEscape() {
    std::string& text = literals_.back().text;
    if (Peek() == '\r' && Peek(1) == '\n') Take();
    const char c = Take();
    if (c == '\n') {  // a line that goes on
      Mark();
    } else if (c == 'x') {
      text += TakeCode(16, 2);
    } else if (c >= '0' && c <= '7') {
      --at_;
      text += TakeCode(8, 3);
    } else if (c == 'u' || c == 'U') {
      // Beyond ASCII, or better written plainly: no part of a name.
      for (int digits = c == 'u' ? 4 : 8; digits > 0 && IsWordChar(Peek()); --digits) Take();
      text += '?';
    } else if (c == '"' || c == '\'' || c == '\\' || c == '?') {
      text += c;
    } else {
      text += c == 'n' ? '\n' : ' ';  // the others are white space or control characters
    }
  }

  char TakeCode(int base, int most) {
    int code = 0;
    for (; most > 0; --most) {
      const char c = Peek();
      int digit = base;
      if (IsDigit(c)) digit = c - '0';
      if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
      if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
      if (digit >= base) break;
      code = code * base + digit;
      Take();
    }
    return static_cast<char>(code & 0xFF);
  }

  const std::string_view source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool begins_line_ = true;  // only white space since the line began
  bool is_joined_ = false;   // a literal here continues the last one
  std::vector<Literal> literals_;
};

}  // namespace

int Literal::LineAt(std::size_t offset) const {
  const auto after = std::upper_bound(
      lines.begin(), lines.end(), offset,
      [](std::size_t at, const std::pair<std::size_t, int>& begin) { return at < begin.first; });
  return after == lines.begin() ? lines.front().second : std::prev(after)->second;
}

std::vector<Literal> ReadLiterals(std::string_view source) { return Reader(source).Read(); }

}  // namespace lockstep::migration::footprint
