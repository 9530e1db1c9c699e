#include "services/migration/engine/ownership.h"

#include <algorithm>
#include <string>

#include "common/status/error.h"

namespace lockstep::migration {
namespace {

struct Ownership {
  std::string_view schema;
  std::string_view service;
};

constexpr Ownership kOwnership[] = {
    {"analytics", "finance"}, {"auth", "migration"},   {"core", "catalog"},
    {"finance", "finance"},   {"products", "catalog"}, {"transactions", "orders"},
};

}  // namespace

const std::vector<std::string_view>& Services() {
  static const auto* const kServices =
      new std::vector<std::string_view>{"catalog", "finance", "migration", "orders"};
  return *kServices;
}

bool IsService(std::string_view name) {
  return std::find(Services().begin(), Services().end(), name) != Services().end();
}

absl::Status UnknownService(std::string_view path) {
  std::string known;
  for (const std::string_view name : Services())
    known.append(known.empty() ? "" : ", ").append(name);
  return InvalidField(path, "SERVICE_UNKNOWN", "must be one of " + known);
}

std::vector<std::string_view> SchemasOf(std::string_view service) {
  std::vector<std::string_view> schemas;
  for (const Ownership& entry : kOwnership) {
    if (entry.service == service) schemas.push_back(entry.schema);
  }
  return schemas;
}

std::string_view OwnerOf(std::string_view schema) {
  for (const Ownership& entry : kOwnership) {
    if (entry.schema == schema) return entry.service;
  }
  return "";
}

}  // namespace lockstep::migration
