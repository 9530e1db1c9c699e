// Small readings of names and statements as text.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::migration {

// "schema"."table" of "schema.table".
std::string QuotedName(const std::string& table);
// "table" of "schema.table".
std::string BareName(const std::string& table);

// Whether `words`, in lower case with single spaces, occur in the statement, however it is spaced.
bool HasWords(const std::string& statement, std::string_view words);

}  // namespace lockstep::migration
