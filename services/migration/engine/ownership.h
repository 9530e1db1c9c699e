// Which service owns which schema (architecture.md "Who owns what").
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace lockstep::migration {

// The engine's own schema. No script may touch it.
inline constexpr char kLedgerSchema[] = "migration";

// The services that own schemas: catalog, finance, migration, orders.
const std::vector<std::string_view>& Services();
bool IsService(std::string_view name);
// INVALID_ARGUMENT (SERVICE_UNKNOWN) about the field `path`.
absl::Status UnknownService(std::string_view path);

// The schemas of a service; empty for an unknown one.
std::vector<std::string_view> SchemasOf(std::string_view service);

// The service that owns `schema`, or "" when nobody does.
std::string_view OwnerOf(std::string_view schema);

}  // namespace lockstep::migration
