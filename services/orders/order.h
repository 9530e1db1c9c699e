// Orders: one sale of one inventory item on one marketplace, and the rules of its life cycle.
//
// Values only: no I/O, no clock. Absent figures are unknown, never zero. All amounts of an order
// have its currency; rows of the time before currencies were recorded are EUR.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/decimal/decimal.h"
#include "common/ids/id.h"
#include "common/money/money.h"

namespace lockstep::orders {

struct OrderTag;
using OrderId = ids::Id<OrderTag>;
struct InventoryItemTag;
using InventoryItemId = ids::Id<InventoryItemTag>;
struct ListingTag;
using ListingId = ids::Id<ListingTag>;

using decimal::Decimal;
using money::Currency;
using money::Money;

enum class OrderStatus {
  kPending,
  kConfirmed,
  kShipped,
  kAuthenticating,
  kAuthenticated,
  kCompleted,
  kCancelled,
  kReturned,
  kRefunded,
  kDisputed,
};
inline constexpr int kOrderStatusCount = 10;

// "authenticated": as the column and filters have it.
[[nodiscard]] std::string_view ToText(OrderStatus status);
// INVALID_ARGUMENT (ORDER_STATUS_UNKNOWN) for anything but the ten texts.
[[nodiscard]] absl::StatusOr<OrderStatus> OrderStatusFromText(std::string_view text);
// All ten texts, in the order of the enum.
[[nodiscard]] std::vector<std::string> OrderStatusTexts();

// Cancelled, returned, refunded: nothing follows.
[[nodiscard]] bool IsFinal(OrderStatus status);
// Whether a caller may move an order from `from` to `to`, by the table of domain.md 2.9. False for
// from == to.
[[nodiscard]] bool CanFollow(OrderStatus from, OrderStatus to);
// Whether an import may: it sees only now and then what the platform did, so it may leave out
// steps. Never backward, except to the failure states; never out of a final state; never from
// completed to cancelled. False for from == to.
[[nodiscard]] bool CanImportMove(OrderStatus from, OrderStatus to);

// What the sold unit is, in words, from the catalog's view.
struct ItemSummary {
  std::string sku, product_name, brand_name, size_value, size_region;
};

struct Order {
  OrderId id;
  std::string platform_slug;
  std::string platform_name;
  std::optional<std::string> external_id;          // <slug>_<platform order id>
  std::optional<std::string> stockx_order_number;  // StockX only
  InventoryItemId inventory_item_id;
  std::optional<ItemSummary> item;
  std::optional<ListingId> listing_id;
  OrderStatus status = OrderStatus::kPending;
  Currency currency = money::kEur;
  std::optional<Money> amount;
  std::optional<std::string> inventory_type;
  std::optional<std::string> shipping_label_url;
  std::optional<std::string> shipping_document_path;
  std::optional<absl::Time> platform_created_at;
  std::optional<absl::Time> platform_updated_at;
  std::optional<absl::Time> sold_at;
  std::optional<Money> gross_sale;
  std::optional<Money> platform_fee;
  std::optional<Money> shipping_cost;
  std::optional<Money> net_proceeds;
  std::optional<Money> gross_profit;
  std::optional<Money> net_profit;
  std::optional<Decimal> roi;  // percent, 2 digits
  std::optional<bool> payout_received;
  std::optional<absl::Time> payout_date;
  std::optional<std::int32_t> shelf_life_days;
  std::optional<std::string> buyer_destination_country;
  std::optional<std::string> buyer_destination_city;
  std::optional<std::string> notes;
  std::optional<std::string> raw_data;  // JSON; only where it was asked for
  absl::Time created_at;
  absl::Time updated_at;
};

// Changes with every change of the order.
[[nodiscard]] std::string EtagOf(const Order& order);
// ABORTED (ETAG_MISMATCH) unless `etag` is empty or the order's.
[[nodiscard]] absl::Status CheckEtag(const Order& order, std::string_view etag);

// What a transition means for the item behind the order.
enum class ItemEffect {
  kNone,
  kReserved,  // the order is under way: a unit is to be kept for it
  kSold,
  kReleased,  // the order ends without a sale: it gives back a unit that it holds, if any
  kReturned,  // a completed sale is undone: the unit comes back, also one whose sale is older than
              // the record of who holds what
};

// The effect of moving from `from` to `to`: completing sells the item; cancelling, returning and
// refunding gives it back. `has_been_completed`: the order was completed once; its status alone
// does not tell when it is disputed.
[[nodiscard]] ItemEffect EffectOf(OrderStatus from, OrderStatus to, bool has_been_completed);

// `order` in status `to`. Errors, FAILED_PRECONDITION: ORDER_STATUS_FINAL, TRANSITION_NOT_ALLOWED;
// SALE_TIME_MISSING for completing an order without sold_at. The status that it has is OK and
// changes nothing.
[[nodiscard]] absl::StatusOr<Order> Transition(Order order, OrderStatus to);

// Characters of a text in UTF-8, as varchar(n) and the limits of the contract count them.
[[nodiscard]] std::size_t CharacterCount(std::string_view text);

// Length and form of the texts of an order; every bad field is named, below the path "order".
// REQUIRES nothing.
[[nodiscard]] absl::Status ValidateTexts(const Order& order);

// "<slug>_<number>" -> "<number>" when `external_id` has exactly that prefix.
[[nodiscard]] std::optional<std::string> PlatformNumber(std::string_view slug,
                                                        std::string_view external_id);

}  // namespace lockstep::orders
