// The name of a table that is a constant of the program. Shared code (outbox, request results,
// signing keys) is told its table this way: the name becomes part of the SQL text, so it must not
// be able to come from a request.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::pg {

class TableName {
 public:
  // `name` is "schema.table" in lower snake case. Only constants compile, and a malformed one does
  // not.
  consteval TableName(const char* name) : name_(name) {  // NOLINT(google-explicit-constructor)
    int dots = 0;
    for (const char c : name_) {
      if (c == '.') {
        ++dots;
      } else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
        throw "a table name is schema.table in lower snake case";
      }
    }
    if (dots != 1 || name_.front() == '.' || name_.back() == '.') throw "want schema.table";
  }

  std::string text() const { return std::string(name_); }

 private:
  std::string_view name_;
};

}  // namespace lockstep::pg
