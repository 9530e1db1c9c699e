// Comparison of orders with the catalog's items, set by set in SQL, over what catalog lets orders
// read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/pool.h"
#include "services/orders/order.h"

namespace lockstep::orders {

enum class DifferenceKind {
  kItemNotSold,
  kItemSoldTwice,
  kItemWithoutOrder,
  kEventStuck,
  kEventDead,
  kItemNotReleased,
  kItemNotReserved,
};

struct Difference {
  DifferenceKind kind;
  std::optional<std::string> order;           // uuid
  std::optional<std::string> inventory_item;  // uuid
  std::optional<std::string> event_id;
  std::string detail;
};

struct Reconciliation {
  std::vector<Difference> differences;  // ordered by kind
  std::int64_t completed_orders = 0;
  std::int64_t pending_events = 0;
};

// At most `limit` differences of each kind. Reads only.
[[nodiscard]] absl::StatusOr<Reconciliation> ReconcileItems(pg::Tx& tx, int limit);

}  // namespace lockstep::orders
