// Collects every bad field of a request into one INVALID_ARGUMENT.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/status/error.h"

namespace lockstep::catalog {

class Violations {
 public:
  void Add(std::string_view path, std::string_view reason, std::string_view description);
  // Adds the bad fields of a status made by InvalidField() and its like; `path` when it names none.
  void Add(const absl::Status& status, std::string_view path);

  bool empty() const { return fields_.empty(); }
  // OK when there is none. The reason is that of the first one.
  [[nodiscard]] absl::Status ToStatus() const;

 private:
  std::string reason_;
  std::vector<FieldViolation> fields_;
};

}  // namespace lockstep::catalog
