// MarkSold: many sales of many items in one transaction, each row with its own outcome.
#pragma once

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/pool.h"
#include "lockstep/catalog/v1/inventory_service.pb.h"

namespace lockstep::catalog {

// Errors of the whole call: INVALID_ARGUMENT (every bad field is named; SALES_OUT_OF_RANGE outside
// 1..500 rows, EVENT_REPEATED); those of pg::Pool. Rows that fail have their error in the response.
[[nodiscard]] absl::StatusOr<v1::MarkSoldResponse> MarkItemsSold(
    pg::Pool& pool, const Context& context, const v1::MarkSoldRequest& request);

}  // namespace lockstep::catalog
