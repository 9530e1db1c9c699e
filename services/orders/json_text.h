// Writing small JSON documents without building a tree: imports write several for each row.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::orders {

// Appends `text` (UTF-8) as a JSON string with its quotes.
void AppendJsonString(std::string& out, std::string_view text);

// Builds one object, member by member, in the order of the calls.
class JsonObject {
 public:
  JsonObject() : text_("{") {}
  JsonObject& Text(std::string_view name, std::string_view value);
  // `json` is a complete JSON value.
  JsonObject& Raw(std::string_view name, std::string_view json);
  bool empty() const { return text_.size() == 1; }
  // The finished document. Call once.
  std::string Finish() &&;

 private:
  void Name(std::string_view name);
  std::string text_;
};

}  // namespace lockstep::orders
