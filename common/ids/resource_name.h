// Resource names at the edge: "orders/{uuid}", "platforms/{slug}", "revisions/{id}".
//
// Errors are INVALID_ARGUMENT (RESOURCE_NAME_MALFORMED) and name `field`, the path in the request.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/ids/id.h"

namespace lockstep::ids {

// What follows "<collection>/" in `name`; not empty, no further "/". A view into `name`.
[[nodiscard]] absl::StatusOr<std::string_view> LastSegment(std::string_view name,
                                                           std::string_view collection,
                                                           std::string_view field);

// "orders/7F3C..." -> the UUID.
[[nodiscard]] absl::StatusOr<Uuid> UuidFromName(std::string_view name, std::string_view collection,
                                                std::string_view field);

// ASSIGN_OR_RETURN(OrderId id, ids::IdFromName<OrderId>(request.name(), "orders", "name"));
template <typename IdType>
[[nodiscard]] absl::StatusOr<IdType> IdFromName(std::string_view name, std::string_view collection,
                                                std::string_view field) {
  ASSIGN_OR_RETURN(Uuid uuid, UuidFromName(name, collection, field));
  return IdType(uuid);
}

// "platforms/stockx" -> "stockx".
[[nodiscard]] absl::StatusOr<std::string> SlugFromName(std::string_view name,
                                                       std::string_view collection,
                                                       std::string_view field);

// 1 to 100 of a-z, 0-9 and "-"; begins and ends with a letter or digit.
[[nodiscard]] bool IsSlug(std::string_view text);

// "orders" + id -> "orders/{uuid}".
[[nodiscard]] std::string ResourceName(std::string_view collection, std::string_view id);
template <typename Tag>
[[nodiscard]] std::string ResourceName(std::string_view collection, const Id<Tag>& id) {
  return ResourceName(collection, id.text());
}

}  // namespace lockstep::ids
