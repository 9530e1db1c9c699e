// One unit is sold once (domain.md 2.3): what orders have sold of an item, counted under a lock
// that every sale takes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pool.h"
#include "services/orders/order.h"

namespace lockstep::orders {

// What is left to sell of the items that one transaction has locked.
class UnsoldUnits {
 public:
  // Locks the items against every other sale until the transaction ends, in one order, so that two
  // transactions cannot deadlock. Sold are units of completed orders and of disputed ones that had
  // been completed; `except` is not counted. REQUIRES: the rows of the orders that are to be
  // completed are locked already.
  [[nodiscard]] static absl::StatusOr<UnsoldUnits> Lock(pg::Tx& tx,
                                                        std::span<const InventoryItemId> items,
                                                        const std::optional<OrderId>& except);

  // Counts one more unit as sold to `order`. FAILED_PRECONDITION (ITEM_SOLD) when none is left.
  // REQUIRES: the item of `order` was locked.
  [[nodiscard]] absl::Status Take(const Order& order);

 private:
  struct Item {
    std::int64_t units = 1;
    std::int64_t sold = 0;
    std::string sold_to;  // one of the orders
  };
  std::map<InventoryItemId, Item> items_;  // one unit and unsold where missing
};

}  // namespace lockstep::orders
