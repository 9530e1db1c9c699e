// What orders tell the catalog about items, through the outbox: item_reserved (for an order that is
// under way), item_sold, item_released (the order ends without a sale) and item_returned (a
// completed sale is undone).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/outbox/dispatcher.h"
#include "common/outbox/outbox.h"
#include "services/orders/catalog_client.h"
#include "services/orders/order.h"

namespace lockstep::orders {

inline constexpr char kItemReserved[] = "item_reserved";
inline constexpr char kItemSold[] = "item_sold";
inline constexpr char kItemReleased[] = "item_released";
inline constexpr char kItemReturned[] = "item_returned";

// The event that tells of `effect` for the item of `order`. REQUIRES: effect is not kNone; an order
// that sells has sold_at.
[[nodiscard]] outbox::NewEvent ItemEvent(const Order& order, ItemEffect effect);

// Reads an event back. INVALID_ARGUMENT (EVENT_MALFORMED) for anything that ItemEvent did not
// write.
[[nodiscard]] absl::StatusOr<ItemChange> ParseItemEvent(const outbox::Event& event);

// The delivery function of the dispatcher: all sales of a batch in one call, the others one by one.
// A reservation that the catalog refuses, because the item is sold or kept for others, is delivered
// all the same: the order keeps its item, ReconcileItems names it as long as that lasts, and what
// follows for the item must not wait.
[[nodiscard]] outbox::DeliverBatch DeliverTo(Catalog& catalog);

}  // namespace lockstep::orders
