// What is meant for psql and not for the server: rows after COPY ... FROM STDIN, commands that
// begin with a backslash, variables. Internal to the importer. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "services/migration/engine/problem.h"
#include "services/migration/importer/history.h"

namespace lockstep::migration {

struct ServerText {
  std::string text;  // SQL; what was for psql is blank, every line stands where it stood
  // Rows by the byte of `text` at which their COPY statement ends (its semicolon).
  std::map<std::size_t, std::string> copy_data;
};

// `replaces_variables`: the tool runs psql, so :name is a variable.
ServerText TakeClientParts(const SourceScript& script, bool replaces_variables,
                           const std::map<std::string, std::string>& variables, History& history);

}  // namespace lockstep::migration
