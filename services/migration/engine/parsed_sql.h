// One text as PostgreSQL's parser reads it. Internal to the files that read SQL.
#pragma once

#include <pg_query.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace lockstep::migration {

// What the parser says about one text.
class ParsedSql {
 public:
  explicit ParsedSql(const std::string& text) : result_(pg_query_parse(text.c_str())) {}
  ~ParsedSql() { pg_query_free_parse_result(result_); }
  ParsedSql(const ParsedSql&) = delete;
  ParsedSql& operator=(const ParsedSql&) = delete;

  bool ok() const { return result_.error == nullptr; }
  std::string_view json() const { return result_.parse_tree; }
  std::string message() const { return result_.error->message; }
  // Byte of the error; the parser counts characters from 1.
  std::size_t ErrorOffset(std::string_view text) const {
    std::size_t offset = 0;
    for (int left = result_.error->cursorpos - 1; left > 0 && offset < text.size(); --left) {
      do {
        ++offset;
      } while (offset < text.size() && (text[offset] & 0xC0) == 0x80);
    }
    return offset;
  }

 private:
  PgQueryParseResult result_;
};

}  // namespace lockstep::migration
