// ResolveSoldItems between wire and domain.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "lockstep/catalog/v1/inventory_service.pb.h"
#include "services/catalog/sale_resolver.h"

namespace lockstep::catalog {

// Checks and normalises every sale. INVALID_ARGUMENT names every bad field: SALES_OUT_OF_RANGE for
// a number outside 1..1000, SALE_REPEATED for the second row of one sale.
[[nodiscard]] absl::StatusOr<std::vector<Sale>> SalesFromProto(
    const v1::ResolveSoldItemsRequest& request);

[[nodiscard]] absl::StatusOr<v1::ResolveSoldItemsResponse> ResolvedToProto(
    const std::vector<Sale>& sales, const std::vector<SoldItem>& items);

}  // namespace lockstep::catalog
