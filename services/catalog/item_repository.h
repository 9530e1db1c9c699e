// Items and the orders that hold their units, in SQL. Whoever writes products.item_orders locks the
// item's row first, so what is loaded here stays true until the transaction ends.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids/uuid.h"
#include "common/pg/pool.h"
#include "services/catalog/item_ledger.h"

namespace lockstep::catalog {

// Locks the items, in one order so that two callers cannot deadlock, and loads them with all their
// claims and with the claims of `orders` on any item. Items that do not exist are left out.
[[nodiscard]] absl::StatusOr<ItemLedger> LoadLedger(pg::Tx& tx,
                                                    const std::vector<ids::Uuid>& item_ids,
                                                    const std::vector<OrderRef>& orders);

// Writes what changed. ABORTED (ORDER_CLAIMED_MEANWHILE) when another transaction gave one of the
// orders a unit since LoadLedger: do the whole thing again.
[[nodiscard]] absl::Status SaveLedger(pg::Tx& tx, const ItemLedger& ledger);

// The error above for a violated unique key of products.item_orders; other errors are left as they
// are.
[[nodiscard]] absl::Status ClaimError(const absl::Status& status);

}  // namespace lockstep::catalog
