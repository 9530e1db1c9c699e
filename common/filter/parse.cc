#include <utility>

#include "common/filter/filter.h"
#include "common/filter/internal.h"
#include "common/status/macros.h"

namespace lockstep::filter {
namespace {

using internal::FilterError;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNameChar(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }

// Bytes of a bare value: all but white space and what the grammar uses. Bytes of multi-byte
// characters are allowed.
bool IsBareChar(char c) {
  return static_cast<unsigned char>(c) > ' ' && c != '\x7f' &&
         std::string_view("()\"',<>=!").find(c) == std::string_view::npos;
}

void AppendUtf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// Recursive descent, one method for each rule of the grammar in filter.h.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<Filter> Run() {
    SkipSpace();
    if (AtEnd()) return Filter();
    ASSIGN_OR_RETURN(Node root, Expression());
    if (!AtEnd()) {
      if (Peek() == ')') return Syntax("this bracket was not opened");
      return Syntax("expected AND, OR or the end (keywords are upper case)");
    }
    return Filter(std::move(root));
  }

 private:
  absl::StatusOr<Node> Expression() { return Chain("AND", Node::Kind::kAnd, &Parser::Factor); }
  absl::StatusOr<Node> Factor() { return Chain("OR", Node::Kind::kOr, &Parser::Term); }

  // One operand, or several joined by `keyword`. Leaves the position at the next token.
  absl::StatusOr<Node> Chain(std::string_view keyword, Node::Kind kind,
                             absl::StatusOr<Node> (Parser::*operand)()) {
    ASSIGN_OR_RETURN(Node first, (this->*operand)());
    if (!TakeKeyword(keyword)) return first;
    Node node;
    node.kind = kind;
    node.children.push_back(std::move(first));
    do {
      ASSIGN_OR_RETURN(Node next, (this->*operand)());
      node.children.push_back(std::move(next));
    } while (TakeKeyword(keyword));
    return node;
  }

  absl::StatusOr<Node> Term() {
    bool is_negated = TakeKeyword("NOT");
    if (!is_negated && !AtEnd() && Peek() == '-') {
      ++position_;
      is_negated = true;
    }
    ASSIGN_OR_RETURN(Node simple, Simple());
    if (!is_negated) return simple;
    Node node;
    node.kind = Node::Kind::kNot;
    node.children.push_back(std::move(simple));
    return node;
  }

  absl::StatusOr<Node> Simple() {
    if (AtEnd()) return Syntax("expected a field or an opening bracket, found the end");
    if (Peek() != '(') return Restriction();
    if (++depth_ > kMaxDepth) {
      return FilterError("FILTER_TOO_DEEP", Column(position_),
                         "brackets may be nested at most 50 deep");
    }
    const std::size_t opened = position_++;
    SkipSpace();
    ASSIGN_OR_RETURN(Node inner, Expression());
    if (AtEnd()) return Syntax("this bracket is never closed", opened);
    if (Peek() != ')') return Syntax("expected AND, OR or a closing bracket");
    ++position_;
    --depth_;
    SkipSpace();
    return inner;
  }

  absl::StatusOr<Node> Restriction() {
    Node node;
    node.field_column = Column(position_);
    ASSIGN_OR_RETURN(node.field, FieldName());
    SkipSpace();
    if (!AtEnd() && Peek() == ':') {
      ++position_;
      SkipSpace();
      if (AtEnd() || Peek() != '*') {
        return Syntax("':' only asks for presence: expected '*' (use = to compare)");
      }
      ++position_;
      SkipSpace();
      node.kind = Node::Kind::kPresent;
      return node;
    }
    node.kind = Node::Kind::kCompare;
    ASSIGN_OR_RETURN(node.comparator, TakeComparator());
    SkipSpace();
    node.value_column = Column(position_);
    ASSIGN_OR_RETURN(node.value, Value());
    SkipSpace();
    return node;
  }

  absl::StatusOr<std::string> FieldName() {
    const std::size_t start = position_;
    for (;;) {
      if (AtEnd() || !IsNameStart(Peek())) {
        return Syntax(position_ == start ? "expected a field or an opening bracket"
                                         : "expected the rest of a field name after '.'");
      }
      while (!AtEnd() && IsNameChar(Peek())) ++position_;
      if (AtEnd() || Peek() != '.') break;
      ++position_;
    }
    std::string name(text_.substr(start, position_ - start));
    if (name == "AND" || name == "OR" || name == "NOT") {
      return Syntax("expected a field, found the keyword " + name, start);
    }
    return name;
  }

  absl::StatusOr<Comparator> TakeComparator() {
    static constexpr std::pair<std::string_view, Comparator> kComparators[] = {
        {"<=", Comparator::kLessOrEqual}, {">=", Comparator::kGreaterOrEqual},
        {"!=", Comparator::kNotEqual},    {"=", Comparator::kEqual},
        {"<", Comparator::kLess},         {">", Comparator::kGreater}};
    const std::string_view rest = text_.substr(position_);
    for (const auto& [symbol, comparator] : kComparators) {
      if (!rest.starts_with(symbol)) continue;
      position_ += symbol.size();
      return comparator;
    }
    return Syntax("expected one of = != < <= > >= or :* after the field");
  }

  absl::StatusOr<std::string> Value() {
    if (AtEnd()) return Syntax("expected a value, found the end");
    if (Peek() == '"' || Peek() == '\'') return QuotedValue();
    const std::size_t start = position_;
    while (!AtEnd() && IsBareChar(Peek())) ++position_;
    std::string word(text_.substr(start, position_ - start));
    if (word.empty()) return Syntax("expected a value: text in quotes, or a word");
    if (word == "AND" || word == "OR" || word == "NOT") {
      return Syntax("expected a value, found the keyword " + word, start);
    }
    if (word.find('*') != std::string::npos) {
      return Syntax("wildcards are not supported; quote the value if it contains a '*'", start);
    }
    return word;
  }

  absl::StatusOr<std::string> QuotedValue() {
    const std::size_t start = position_;
    const char quote = text_[position_++];
    std::string value;
    while (!AtEnd() && Peek() != quote) {
      if (Peek() == '\0') return Syntax("U+0000 is not allowed");
      if (Peek() != '\\') {
        value += text_[position_++];
        continue;
      }
      RETURN_IF_ERROR(Escape(value));
    }
    if (AtEnd()) return Syntax("this quote is never closed", start);
    ++position_;
    return value;
  }

  absl::Status Escape(std::string& value) {
    const std::size_t start = position_++;
    if (AtEnd()) return Syntax("expected a character after '\\'");
    const char c = text_[position_++];
    switch (c) {
      case '"':
      case '\'':
      case '\\':
      case '/':
        value += c;
        return absl::OkStatus();
      case 'n':
        value += '\n';
        return absl::OkStatus();
      case 'r':
        value += '\r';
        return absl::OkStatus();
      case 't':
        value += '\t';
        return absl::OkStatus();
      case 'u':
        return UnicodeEscape(value, start);
      default:
        return Syntax(R"(unknown escape; known are \" \' \\ \/ \n \r \t \uXXXX)", start);
    }
  }

  absl::Status UnicodeEscape(std::string& value, std::size_t start) {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++position_) {
      const char c = AtEnd() ? '\0' : Peek();
      if (c >= '0' && c <= '9') {
        code = code * 16 + static_cast<unsigned>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        code = code * 16 + static_cast<unsigned>(c - 'a' + 10);
      } else if (c >= 'A' && c <= 'F') {
        code = code * 16 + static_cast<unsigned>(c - 'A' + 10);
      } else {
        return Syntax("expected four hexadecimal digits after \\u", start);
      }
    }
    if (code == 0) return Syntax("U+0000 is not allowed", start);
    if (code >= 0xD800 && code <= 0xDFFF) {
      return Syntax("surrogates are not allowed; write the character itself", start);
    }
    AppendUtf8(value, code);
    return absl::OkStatus();
  }

  // Takes `keyword` and the white space behind it when it is next and is not the start of a longer
  // word.
  bool TakeKeyword(std::string_view keyword) {
    const std::string_view rest = text_.substr(position_);
    if (!rest.starts_with(keyword)) return false;
    if (rest.size() > keyword.size()) {
      const char after = rest[keyword.size()];
      if (IsNameChar(after) || after == '.') return false;
    }
    position_ += keyword.size();
    SkipSpace();
    return true;
  }

  void SkipSpace() {
    while (!AtEnd() && IsSpace(Peek())) ++position_;
  }
  bool AtEnd() const { return position_ >= text_.size(); }
  char Peek() const { return text_[position_]; }

  // 1-based, in characters: continuation bytes of UTF-8 do not count.
  std::size_t Column(std::size_t position) const {
    std::size_t column = 1;
    for (std::size_t i = 0; i < position && i < text_.size(); ++i) {
      if ((static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80) ++column;
    }
    return column;
  }

  absl::Status Syntax(std::string_view description) const { return Syntax(description, position_); }
  absl::Status Syntax(std::string_view description, std::size_t position) const {
    return FilterError("FILTER_SYNTAX", Column(position), description);
  }

  std::string_view text_;
  std::size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<Filter> Parse(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return FilterError("FILTER_TOO_LARGE", 1, "a filter has at most 4096 bytes");
  }
  return Parser(text).Run();
}

}  // namespace lockstep::filter
