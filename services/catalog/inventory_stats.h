// InventoryStats: counts and capital (domain.md 6.6). The value is what was paid, never what was
// earned.
#pragma once

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/pool.h"
#include "lockstep/catalog/v1/inventory_service.pb.h"

namespace lockstep::catalog {

// INVALID_ARGUMENT on "filter"; those of pg::Pool.
[[nodiscard]] absl::StatusOr<v1::InventoryStatsResponse> ComputeInventoryStats(
    pg::Pool& pool, const Context& context, const v1::InventoryStatsRequest& request);

}  // namespace lockstep::catalog
