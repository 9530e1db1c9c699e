#include "services/orders/json_text.h"

#include <algorithm>
#include <utility>

namespace lockstep::orders {

void AppendJsonString(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto needs_escape = [](char c) {
    return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
  };
  out.push_back('"');
  // In runs, not characters: an import writes hundreds of bytes for each row.
  const char* begin = text.data();
  const char* const end = text.data() + text.size();
  while (begin != end) {
    const char* stop = std::find_if(begin, end, needs_escape);
    out.append(begin, stop);
    if (stop == end) break;
    const auto byte = static_cast<unsigned char>(*stop);
    out.push_back('\\');
    if (byte >= 0x20) {
      out.push_back(*stop);
    } else if (byte == '\n') {
      out.push_back('n');
    } else {
      out += "u00";
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    }
    begin = stop + 1;
  }
  out.push_back('"');
}

void JsonObject::Name(std::string_view name) {
  if (!empty()) text_.push_back(',');
  AppendJsonString(text_, name);
  text_.push_back(':');
}

JsonObject& JsonObject::Text(std::string_view name, std::string_view value) {
  Name(name);
  AppendJsonString(text_, value);
  return *this;
}

JsonObject& JsonObject::Raw(std::string_view name, std::string_view json) {
  Name(name);
  text_ += json;
  return *this;
}

std::string JsonObject::Finish() && {
  text_.push_back('}');
  return std::move(text_);
}

}  // namespace lockstep::orders
