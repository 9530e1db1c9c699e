// The SQL of single orders and their history. Every function is one statement in the caller's
// transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pool.h"
#include "services/orders/order.h"
#include "services/orders/profit.h"

namespace lockstep::orders {

// The columns of OrderFromRow and the tables that they need: o (orders), p (platforms), s (item
// summaries).
extern const char* const kOrderColumns;
extern const char* const kOrderTables;

// INTERNAL (INVARIANT_BROKEN) for a status or currency that no code of ours writes.
[[nodiscard]] absl::StatusOr<Order> OrderFromRow(const pg::Row& row);

enum class RawData { kLeaveOut, kRead };

// NOT_FOUND (ORDER_NOT_FOUND).
[[nodiscard]] absl::StatusOr<Order> GetOrder(pg::Tx& tx, const OrderId& id, RawData raw_data);
// The same, locked against other changes until the transaction ends.
[[nodiscard]] absl::StatusOr<Order> GetOrderForUpdate(pg::Tx& tx, const OrderId& id);
[[nodiscard]] absl::StatusOr<Order> GetOrderByExternalId(pg::Tx& tx, std::string_view platform_slug,
                                                         std::string_view external_id);
[[nodiscard]] absl::StatusOr<Order> GetOrderByStockxNumber(pg::Tx& tx, std::string_view number);
// In the order of `ids`. NOT_FOUND (ORDER_NOT_FOUND) names the first that is missing.
[[nodiscard]] absl::StatusOr<std::vector<Order>> GetOrders(pg::Tx& tx,
                                                           std::span<const OrderId> ids);

struct Platform {
  std::string id, slug, name;
};
// INVALID_ARGUMENT (PLATFORM_UNKNOWN) on `field`.
[[nodiscard]] absl::StatusOr<Platform> FindPlatform(pg::Tx& tx, std::string_view slug,
                                                    std::string_view field);

// What the item cost; nullopt when that is unknown. INVALID_ARGUMENT (ITEM_UNKNOWN) on
// "order.inventory_item" when there is no such item.
[[nodiscard]] absl::StatusOr<std::optional<Purchase>> ReadPurchase(pg::Tx& tx,
                                                                   const InventoryItemId& item);
// A purchase from the columns purchase_price, gross_purchase_price, vat_rate and purchase_date (all
// may be NULL).
[[nodiscard]] absl::StatusOr<std::optional<Purchase>> PurchaseFromRow(const pg::Row& row);

// ALREADY_EXISTS (ORDER_EXISTS) when the platform has an order with this external id or StockX
// number.
[[nodiscard]] absl::Status InsertOrder(pg::Tx& tx, const Order& order);
// Writes every column that changes after creation.
[[nodiscard]] absl::Status SaveOrder(pg::Tx& tx, const Order& order);

// One entry of the history.
struct OrderEvent {
  std::int64_t id = 0;
  OrderId order_id;
  std::string kind;  // created, imported, updated, transitioned, payout
  std::optional<OrderStatus> from_status = {};
  std::optional<OrderStatus> to_status = {};
  absl::Time at = {};
  std::optional<std::string> reference = {};
  std::optional<std::string> actor = {};
  std::optional<std::string> request_id = {};
  std::string details = "{}";  // JSON object
};
// Ignores id and at.
[[nodiscard]] absl::Status AppendEvent(pg::Tx& tx, const OrderEvent& event);
[[nodiscard]] absl::StatusOr<OrderEvent> EventFromRow(const pg::Row& row);

// Whether the order is completed or, when it is disputed, was so before: its history tells.
[[nodiscard]] absl::StatusOr<bool> HasBeenCompleted(pg::Tx& tx, const Order& order);

// A payout that RecordPayout or an import has recorded.
struct RecordedPayout {
  std::string reference;  // "" when a report told of it without an invoice number
  std::string amount;     // decimal text
  std::string currency;   // ISO 4217 code
  absl::Time payout_date;
};
// All of them, oldest first: an import may come after RecordPayout and tell of the same money with
// figures of its own.
[[nodiscard]] absl::StatusOr<std::vector<RecordedPayout>> ReadPayouts(pg::Tx& tx,
                                                                      const OrderId& id);

}  // namespace lockstep::orders
