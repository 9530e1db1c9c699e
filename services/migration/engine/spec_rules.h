// The forms that names, dates and numbers in definitions must have. Pure; internal to spec_reader
// and scaffold.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::migration {

// [0-9a-z_]{4,64} and no word of the TARGET grammar.
bool IsRevisionId(std::string_view text);
// [a-z][a-z0-9_]{0,62}: names of steps.
bool IsSnakeCase(std::string_view text);
// YYYY-MM-DD and a day that exists.
bool IsDay(std::string_view text);
// MAJOR.MINOR.PATCH in decimal digits.
bool IsBuild(std::string_view text);
// [A-Za-z0-9][A-Za-z0-9._-]{0,63} and no word of the TARGET grammar.
bool IsReleaseName(std::string_view text);
// [a-z_][a-z0-9_]{0,62}: a name that SQL needs not quote.
bool IsIdentifier(std::string_view text);
// schema.name, both plain identifiers.
bool IsQualifiedName(std::string_view text);
// Neither empty, nor absolute, nor with folders: a file beside revision.textproto.
bool IsPlainFileName(std::string_view text);

}  // namespace lockstep::migration
