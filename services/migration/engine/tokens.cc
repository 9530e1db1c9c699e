#include "services/migration/engine/tokens.h"

#include <pg_query.h>

#include <cctype>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace lockstep::migration {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Values of pg_query.proto's `Token` that matter here.
constexpr std::uint32_t kSqlComment = 275;
constexpr std::uint32_t kCComment = 276;

// One ScanToken message: start = 1, end = 2, token = 4, keyword_kind = 5.
bool ReadToken(CodedInputStream& in, Token& token) {
  for (std::uint32_t tag = in.ReadTag(); tag != 0; tag = in.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_VARINT) return false;
    std::uint32_t value = 0;
    if (!in.ReadVarint32(&value)) return false;
    switch (WireFormatLite::GetTagFieldNumber(tag)) {
      case 1:
        token.begin = value;
        break;
      case 2:
        token.end = value;
        break;
      case 4:
        token.is_comment = value == kSqlComment || value == kCComment;
        break;
      case 5:
        token.is_keyword = value != 0;
        break;
      default:
        break;
    }
  }
  return true;
}

// ScanResult: version = 1, repeated ScanToken tokens = 2. The C++ classes of pg_query.proto would
// take longer to compile than the rest of the engine.
std::optional<std::vector<Token>> ReadScanResult(const char* data, std::size_t size) {
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(data), static_cast<int>(size));
  std::vector<Token> tokens;
  for (std::uint32_t tag = in.ReadTag(); tag != 0; tag = in.ReadTag()) {
    std::uint32_t value = 0;
    if (!in.ReadVarint32(&value)) return std::nullopt;
    if (WireFormatLite::GetTagFieldNumber(tag) != 2) continue;
    const auto limit = in.PushLimit(static_cast<int>(value));
    if (!ReadToken(in, tokens.emplace_back())) return std::nullopt;
    in.PopLimit(limit);
  }
  return tokens;
}

bool IsWordStart(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
}
bool IsWordPart(char c) {
  return IsWordStart(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '$';
}
bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Reads SQL the way a terminal client does: only far enough to know what is code and what is
// quoted.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // Moves past white space, comments and the next word or quoted thing. False at the end.
  bool Next(Word& word) {
    SkipSpaceAndComments();
    if (at_ >= text_.size()) return false;
    word.begin = at_;
    const char c = text_[at_];
    if (c == '\'' || c == '"') {
      SkipQuoted(c, false);
      word.text = c;
    } else if (c == '$' && SkipDollarQuoted()) {
      word.text = "'";
    } else if (IsWordStart(c)) {
      word.text = ReadWord();
      // E'..' is the one form in which a backslash quotes; the other prefixes change nothing here.
      if (word.text == "E" && at_ < text_.size() && text_[at_] == '\'') {
        SkipQuoted('\'', true);
        word.text = "'";
      }
    } else {
      word.text = c;
      ++at_;
    }
    return true;
  }

 private:
  char Peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void SkipSpaceAndComments() {
    while (at_ < text_.size()) {
      if (IsSpace(text_[at_])) {
        ++at_;
      } else if (text_[at_] == '-' && Peek(1) == '-') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (text_[at_] == '/' && Peek(1) == '*') {
        SkipBlockComment();
      } else {
        return;
      }
    }
  }

  void SkipBlockComment() {
    int depth = 0;
    while (at_ < text_.size()) {
      if (text_[at_] == '/' && Peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (text_[at_] == '*' && Peek(1) == '/') {
        --depth;
        at_ += 2;
        if (depth == 0) return;
      } else {
        ++at_;
      }
    }
  }

  void SkipQuoted(char quote, bool backslash_quotes) {
    ++at_;
    while (at_ < text_.size()) {
      if (backslash_quotes && text_[at_] == '\\') {
        at_ += 2;
      } else if (text_[at_] == quote && Peek(1) == quote) {
        at_ += 2;
      } else if (text_[at_++] == quote) {
        return;
      }
    }
    at_ = text_.size();
  }

  // $$..$$ or $tag$..$tag$; false when the dollar sign starts neither.
  bool SkipDollarQuoted() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && IsWordPart(text_[end]) && text_[end] != '$') ++end;
    if (end >= text_.size() || text_[end] != '$') return false;
    if (end > at_ + 1 && !IsWordStart(text_[at_ + 1])) return false;
    const std::string_view tag = text_.substr(at_, end - at_ + 1);
    const std::size_t close = text_.find(tag, end + 1);
    at_ = close == std::string_view::npos ? text_.size() : close + tag.size();
    return true;
  }

  std::string ReadWord() {
    std::string word;
    while (at_ < text_.size() && IsWordPart(text_[at_])) {
      word += static_cast<char>(std::toupper(static_cast<unsigned char>(text_[at_++])));
    }
    return word;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::vector<Token>> ScanTokens(const std::string& text) {
  PgQueryScanResult result = pg_query_scan(text.c_str());
  std::optional<std::vector<Token>> tokens;
  if (result.error == nullptr) tokens = ReadScanResult(result.pbuf.data, result.pbuf.len);
  pg_query_free_scan_result(result);
  return tokens;
}

std::vector<Word> CodeWords(std::string_view text) {
  std::vector<Word> words;
  Lexer lexer(text);
  Word word;
  bool starts_statement = true;
  while (lexer.Next(word)) {
    word.starts_statement = starts_statement;
    starts_statement = word.text == ";";
    words.push_back(word);
  }
  return words;
}

std::vector<std::size_t> MetaCommands(std::string_view text) {
  std::vector<std::size_t> offsets;
  // Nearly every script has none; then there is nothing to read.
  if (text.find('\\') == std::string_view::npos) return offsets;
  std::size_t line_of_last = std::string_view::npos;
  for (const Word& word : CodeWords(text)) {
    if (word.text != "\\") continue;
    // Everything up to the end of the line belongs to the first backslash.
    const std::size_t line_start = text.rfind('\n', word.begin) + 1;
    if (line_start == line_of_last) continue;
    line_of_last = line_start;
    offsets.push_back(word.begin);
  }
  return offsets;
}

}  // namespace lockstep::migration
