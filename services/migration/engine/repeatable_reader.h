// Reads the SQL of one repeatable definition. Pure; thread-safe.
//
// It holds CREATE OR REPLACE VIEW, FUNCTION and PROCEDURE, and COMMENT ON, GRANT and REVOKE of what
// it creates: text that can be applied again and again. What the parser cannot see, or what belongs
// to others, is told in the comment lines in front of the first statement:
//   -- after: catalog/stock, orders/totals      (function bodies are text)
//   -- references: core.platforms               (objects of other owners)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"

namespace lockstep::migration {

// What was read, and what decides the order among several.
struct ReadRepeatableResult {
  Repeatable repeatable;
  std::vector<std::string> uses;  // "core.stock": what it refers to and does not create; sorted
  int after_line = 0;             // of "-- after:"; 0 = none
};

// Everything that is wrong with it goes to `problems`, with file and line; the result is usable
// only without any. `file` is for messages. `repeatable.after` holds what "-- after:" says.
ReadRepeatableResult ReadRepeatable(std::string_view service, std::string_view name,
                                    std::string_view file, std::string_view text,
                                    std::vector<Problem>& problems);

// The views, functions and procedures that `script` creates, whether it replaces them or not.
// Empty for an opaque one.
std::vector<RepeatableObject> CreatedObjects(const Script& script);

}  // namespace lockstep::migration
