// lockstep.catalog.v1.OrderKey to what the ledger of items works with.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/ids/uuid.h"
#include "lockstep/catalog/v1/inventory_service.pb.h"
#include "services/catalog/item_ledger.h"
#include "services/catalog/violations.h"

namespace lockstep::catalog {

// Adds the bad fields of `key`, whose path in the request is `path`, to `bad`.
void CheckOrderKey(const v1::OrderKey& key, const std::string& path, Violations& bad);

// The slug in the key's platform, "" when it has none. REQUIRES: CheckOrderKey added nothing.
[[nodiscard]] std::string PlatformSlugOf(const v1::OrderKey& key);

// REQUIRES: CheckOrderKey added nothing. NOT_FOUND (PLATFORM_NOT_FOUND) when the platform is not
// among `platforms` (ids by slug).
[[nodiscard]] absl::StatusOr<OrderRef> OrderRefOf(
    const v1::OrderKey& key, const std::map<std::string, ids::Uuid>& platforms);

}  // namespace lockstep::catalog
