// Orders between the domain and lockstep.orders.v1. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "lockstep/orders/v1/order_service.pb.h"
#include "services/orders/order.h"
#include "services/orders/order_commands.h"
#include "services/orders/order_repository.h"

namespace lockstep::orders {

namespace pb = lockstep::orders::v1;

[[nodiscard]] pb::Order ToProto(const Order& order);
[[nodiscard]] pb::OrderStatus ToProto(OrderStatus status);
[[nodiscard]] pb::OrderEvent ToProto(const OrderEvent& event);

// INVALID_ARGUMENT (ORDER_STATUS_UNKNOWN) on `field` for unspecified and unknown values.
[[nodiscard]] absl::StatusOr<OrderStatus> FromProto(pb::OrderStatus status, std::string_view field);

// orders/{uuid}.
[[nodiscard]] absl::StatusOr<OrderId> OrderIdFromName(std::string_view name,
                                                      std::string_view field);
// "platforms/stockx" or "stockx" -> "stockx".
[[nodiscard]] absl::StatusOr<std::string> PlatformSlug(std::string_view name,
                                                       std::string_view field);

// What a client may say about a new order; output-only fields are ignored. Paths of errors begin
// with "order.".
[[nodiscard]] absl::StatusOr<Order> DraftFromProto(const pb::Order& message);

// What `request` changes: the fields of its mask, or those that are set. INVALID_ARGUMENT
// (FIELD_PATH_UNKNOWN) on "update_mask" for a path that is no field of Order, and (FIELD_IMMUTABLE)
// for one that is fixed at creation.
[[nodiscard]] absl::StatusOr<OrderPatch> PatchFromProto(const pb::UpdateOrderRequest& request);

}  // namespace lockstep::orders
