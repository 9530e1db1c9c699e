// Changes of single orders: each reads the order under a lock, lets the domain decide, writes the
// order, its history and the event for the catalog, all in the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pool.h"
#include "services/orders/order.h"

namespace lockstep::orders {

// `draft` with platform_slug, item and figures; gets its id, status, currency and profit here.
// Errors: those of ValidateTexts, FindPlatform, ReadPurchase, WithProfit, InsertOrder.
[[nodiscard]] absl::StatusOr<Order> CreateOrder(pg::Tx& tx, Order draft,
                                                const std::string& request_id);

// Changes to an order: each set member replaces the stored value, nullopt inside clears it.
struct OrderPatch {
  std::optional<std::optional<ListingId>> listing_id;
  std::optional<std::optional<Money>> amount, gross_sale, platform_fee, shipping_cost;
  std::optional<std::optional<std::string>> inventory_type, shipping_label_url,
      shipping_document_path, buyer_destination_country, buyer_destination_city, notes;
  std::optional<std::optional<absl::Time>> sold_at;

  // Names of the set members, for the history.
  std::vector<std::string> Paths() const;
};
[[nodiscard]] absl::StatusOr<Order> UpdateOrder(pg::Tx& tx, const OrderId& id,
                                                const OrderPatch& patch, std::string_view etag,
                                                const std::string& request_id);

[[nodiscard]] absl::StatusOr<Order> TransitionOrder(pg::Tx& tx, const OrderId& id, OrderStatus to,
                                                    std::string_view reason, std::string_view etag,
                                                    const std::string& request_id);

struct Payout {
  Money amount;
  absl::Time payout_date;
  std::string reference;
};
struct RecordedPayoutResult {
  Order order;
  std::optional<Money> difference;  // payout - net_proceeds, when the order had another figure
  std::vector<std::string> warnings;
};
[[nodiscard]] absl::StatusOr<RecordedPayoutResult> RecordPayout(pg::Tx& tx, const OrderId& id,
                                                                const Payout& payout,
                                                                std::string_view etag,
                                                                const std::string& request_id);

}  // namespace lockstep::orders
