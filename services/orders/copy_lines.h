// Lines of COPY ... FROM STDIN, field by field.
#pragma once

#include <optional>
#include <string>

#include "common/pg/connection.h"

namespace lockstep::orders {

class CopyLines {
 public:
  CopyLines& Field(const std::optional<std::string>& value) {
    if (!is_first_) lines_.push_back('\t');
    is_first_ = false;
    pg::AppendCopyField(lines_, value);
    return *this;
  }
  void EndLine() {
    lines_.push_back('\n');
    is_first_ = true;
  }
  bool empty() const { return lines_.empty(); }
  const std::string& text() const { return lines_; }

 private:
  std::string lines_;
  bool is_first_ = true;
};

}  // namespace lockstep::orders
