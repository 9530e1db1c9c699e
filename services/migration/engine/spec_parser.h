// Text of a definition file into a protobuf message. Internal to the readers of such files.
#pragma once

#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "services/migration/engine/problem.h"
#include "services/migration/engine/spec_reader.h"

namespace lockstep::migration {

// The only code that touches FieldLines::Info.
struct SpecParser {
  // Reads `text` into `message` and remembers the lines of its fields. False, with every finding in
  // `problems`, when the text is no such message.
  static bool Parse(const std::string& file, const std::string& text,
                    google::protobuf::Message& message, FieldLines& lines,
                    std::vector<Problem>& problems);
};

}  // namespace lockstep::migration
