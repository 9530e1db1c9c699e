// Small changes of single statements, so that they mean in a step what they meant in their file.
// Internal to the importer. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lockstep::migration {

// SET and RESET for the transaction, set_config(..., true): a step leaves nothing in the session.
// nullopt: it cannot be said that way (RESET ALL).
std::optional<std::string> AsLocalSetting(std::string_view statement);

// The first schema that SET search_path or set_config('search_path', ...) names; nullopt when the
// statement is something else, "" when it names none.
std::optional<std::string> SchemaOfSetting(std::string_view statement);

// A statement that runs outside of transactions with `schema` in front of the tables or indexes
// that it is about and that have none: after a crash they are looked for in the catalog.
std::string WithSchema(std::string_view statement, std::string_view schema);

// CREATE SCHEMA, run by an administrator, for the role that the rest of the history runs as.
std::string OwnedBy(std::string_view create_schema, std::string_view role);

// CREATE INDEX CONCURRENTLY without the word.
std::string WithoutConcurrently(std::string_view statement);

}  // namespace lockstep::migration
