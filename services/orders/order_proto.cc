#include "services/orders/order_proto.h"

#include <array>
#include <set>
#include <utility>
#include <vector>

#include "common/ids/resource_name.h"
#include "common/money/limits.h"
#include "common/money/proto.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"

namespace lockstep::orders {
namespace {

constexpr std::array<const char*, 12> kMutablePaths = {
    "listing",
    "amount",
    "inventory_type",
    "shipping_label_url",
    "shipping_document_path",
    "sold_at",
    "gross_sale",
    "platform_fee",
    "shipping_cost",
    "buyer_destination_country",
    "buyer_destination_city",
    "notes",
};
constexpr std::array<const char*, 3> kImmutablePaths = {"platform", "external_id",
                                                        "inventory_item"};

std::optional<std::string> OptionalText(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

absl::StatusOr<std::optional<Money>> ReadAmount(bool is_set, const google::type::Money& message,
                                                const std::string& field, money::AmountSign sign) {
  if (!is_set) return std::optional<Money>();
  ASSIGN_OR_RETURN(Money amount, money::FromProto(message, field));
  RETURN_IF_ERROR(money::CheckAmount(amount, field, sign));
  return std::optional<Money>(amount);
}

absl::StatusOr<std::optional<ListingId>> ReadListing(const std::string& name) {
  if (name.empty()) return std::optional<ListingId>();
  ASSIGN_OR_RETURN(ListingId id, ids::IdFromName<ListingId>(name, "listings", "order.listing"));
  return std::optional<ListingId>(id);
}

absl::StatusOr<std::optional<absl::Time>> ReadSoldAt(const pb::Order& message) {
  if (!message.has_sold_at()) return std::optional<absl::Time>();
  ASSIGN_OR_RETURN(absl::Time time, time::FromProto(message.sold_at(), "order.sold_at"));
  return std::optional<absl::Time>(time);
}

// Copies the figures that a client may give into `order`.
absl::Status ReadFigures(const pb::Order& message, Order& order) {
  using enum money::AmountSign;
  ASSIGN_OR_RETURN(order.amount, ReadAmount(message.has_amount(), message.amount(), "order.amount",
                                            kNotNegative));
  ASSIGN_OR_RETURN(order.gross_sale, ReadAmount(message.has_gross_sale(), message.gross_sale(),
                                                "order.gross_sale", kNotNegative));
  ASSIGN_OR_RETURN(order.platform_fee,
                   ReadAmount(message.has_platform_fee(), message.platform_fee(),
                              "order.platform_fee", kNotNegative));
  // Platforms correct shipping by a few cents in the other direction (domain.md 2.4).
  ASSIGN_OR_RETURN(order.shipping_cost,
                   ReadAmount(message.has_shipping_cost(), message.shipping_cost(),
                              "order.shipping_cost", kAny));
  ASSIGN_OR_RETURN(order.sold_at, ReadSoldAt(message));
  return absl::OkStatus();
}

void ReadTexts(const pb::Order& message, Order& order) {
  order.inventory_type = OptionalText(message.inventory_type());
  order.shipping_label_url = OptionalText(message.shipping_label_url());
  order.shipping_document_path = OptionalText(message.shipping_document_path());
  order.buyer_destination_country = OptionalText(message.buyer_destination_country());
  order.buyer_destination_city = OptionalText(message.buyer_destination_city());
  order.notes = OptionalText(message.notes());
}

void SetAmount(const std::optional<Money>& amount, google::type::Money* (pb::Order::*field)(),
               pb::Order& message) {
  if (amount.has_value()) *(message.*field)() = money::ToProto(*amount);
}
void SetTime(const std::optional<absl::Time>& time,
             google::protobuf::Timestamp* (pb::Order::*field)(), pb::Order& message) {
  if (time.has_value()) *(message.*field)() = time::ToProto(*time);
}

bool IsField(const std::string& path) {
  return pb::Order::descriptor()->FindFieldByName(path) != nullptr;
}

// The paths that an update touches.
absl::StatusOr<std::set<std::string>> UpdatePaths(const pb::UpdateOrderRequest& request) {
  const std::set<std::string> allowed(kMutablePaths.begin(), kMutablePaths.end());
  std::set<std::string> paths;
  if (request.update_mask().paths().empty()) {
    std::vector<const google::protobuf::FieldDescriptor*> set;
    request.order().GetReflection()->ListFields(request.order(), &set);
    for (const auto* field : set) {
      if (allowed.contains(field->name())) paths.insert(field->name());
    }
    return paths;
  }
  const std::set<std::string> fixed(kImmutablePaths.begin(), kImmutablePaths.end());
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "*") {
      paths.insert(allowed.begin(), allowed.end());
    } else if (fixed.contains(path)) {
      return InvalidField("update_mask", "FIELD_IMMUTABLE", path + " is fixed at creation");
    } else if (!IsField(path)) {
      return InvalidField("update_mask", "FIELD_PATH_UNKNOWN", path + " is no field of an order");
    } else if (allowed.contains(path)) {
      paths.insert(path);
    }
  }
  return paths;
}

}  // namespace

pb::OrderStatus ToProto(OrderStatus status) {
  // The proto's values follow the enum, after UNSPECIFIED.
  return static_cast<pb::OrderStatus>(static_cast<int>(status) + 1);
}

absl::StatusOr<OrderStatus> FromProto(pb::OrderStatus status, std::string_view field) {
  const int value = static_cast<int>(status) - 1;
  if (value < 0 || value >= kOrderStatusCount) {
    return InvalidField(field, "ORDER_STATUS_UNKNOWN", "must be one of the ten statuses");
  }
  return static_cast<OrderStatus>(value);
}

pb::Order ToProto(const Order& order) {
  pb::Order message;
  message.set_name(ids::ResourceName("orders", order.id));
  message.set_platform(ids::ResourceName("platforms", order.platform_slug));
  message.set_platform_display_name(order.platform_name);
  message.set_external_id(order.external_id.value_or(""));
  message.set_stockx_order_number(order.stockx_order_number.value_or(""));
  message.set_inventory_item(ids::ResourceName("inventoryItems", order.inventory_item_id));
  if (order.item.has_value()) {
    pb::ItemSummary* item = message.mutable_item();
    item->set_sku(order.item->sku);
    item->set_product_name(order.item->product_name);
    item->set_brand_name(order.item->brand_name);
    item->set_size_value(order.item->size_value);
    item->set_size_region(order.item->size_region);
  }
  if (order.listing_id.has_value()) {
    message.set_listing(ids::ResourceName("listings", *order.listing_id));
  }
  message.set_status(ToProto(order.status));
  message.set_currency_code(order.currency.code());
  SetAmount(order.amount, &pb::Order::mutable_amount, message);
  message.set_inventory_type(order.inventory_type.value_or(""));
  message.set_shipping_label_url(order.shipping_label_url.value_or(""));
  message.set_shipping_document_path(order.shipping_document_path.value_or(""));
  SetTime(order.platform_created_at, &pb::Order::mutable_platform_created_at, message);
  SetTime(order.platform_updated_at, &pb::Order::mutable_platform_updated_at, message);
  SetTime(order.sold_at, &pb::Order::mutable_sold_at, message);
  SetAmount(order.gross_sale, &pb::Order::mutable_gross_sale, message);
  SetAmount(order.platform_fee, &pb::Order::mutable_platform_fee, message);
  SetAmount(order.shipping_cost, &pb::Order::mutable_shipping_cost, message);
  SetAmount(order.net_proceeds, &pb::Order::mutable_net_proceeds, message);
  SetAmount(order.gross_profit, &pb::Order::mutable_gross_profit, message);
  SetAmount(order.net_profit, &pb::Order::mutable_net_profit, message);
  if (order.roi.has_value()) message.set_roi(order.roi->ToText());
  if (order.payout_received.has_value()) message.set_payout_received(*order.payout_received);
  SetTime(order.payout_date, &pb::Order::mutable_payout_date, message);
  if (order.shelf_life_days.has_value()) message.set_shelf_life_days(*order.shelf_life_days);
  message.set_buyer_destination_country(order.buyer_destination_country.value_or(""));
  message.set_buyer_destination_city(order.buyer_destination_city.value_or(""));
  message.set_notes(order.notes.value_or(""));
  message.set_raw_data(order.raw_data.value_or(""));
  SetTime(order.created_at, &pb::Order::mutable_created_at, message);
  SetTime(order.updated_at, &pb::Order::mutable_updated_at, message);
  message.set_etag(EtagOf(order));
  return message;
}

pb::OrderEvent ToProto(const OrderEvent& event) {
  pb::OrderEvent message;
  message.set_name(ids::ResourceName("orders", event.order_id) + "/events/" +
                   std::to_string(event.id));
  message.set_kind(event.kind);
  if (event.from_status.has_value()) message.set_from_status(ToProto(*event.from_status));
  if (event.to_status.has_value()) message.set_to_status(ToProto(*event.to_status));
  *message.mutable_occurred_at() = time::ToProto(event.at);
  message.set_reference(event.reference.value_or(""));
  message.set_actor(event.actor.value_or(""));
  message.set_request_id(event.request_id.value_or(""));
  message.set_details(event.details);
  return message;
}

absl::StatusOr<OrderId> OrderIdFromName(std::string_view name, std::string_view field) {
  return ids::IdFromName<OrderId>(name, "orders", field);
}

absl::StatusOr<std::string> PlatformSlug(std::string_view name, std::string_view field) {
  if (ids::IsSlug(name)) return std::string(name);
  return ids::SlugFromName(name, "platforms", field);
}

absl::StatusOr<Order> DraftFromProto(const pb::Order& message) {
  Order order;
  ASSIGN_OR_RETURN(order.platform_slug, PlatformSlug(message.platform(), "order.platform"));
  ASSIGN_OR_RETURN(order.inventory_item_id,
                   ids::IdFromName<InventoryItemId>(message.inventory_item(), "inventoryItems",
                                                    "order.inventory_item"));
  order.external_id = OptionalText(message.external_id());
  ASSIGN_OR_RETURN(order.listing_id, ReadListing(message.listing()));
  RETURN_IF_ERROR(ReadFigures(message, order));
  ReadTexts(message, order);
  return order;
}

absl::StatusOr<OrderPatch> PatchFromProto(const pb::UpdateOrderRequest& request) {
  ASSIGN_OR_RETURN(std::set<std::string> paths, UpdatePaths(request));
  const pb::Order& message = request.order();
  Order values;
  RETURN_IF_ERROR(ReadFigures(message, values));
  ReadTexts(message, values);
  OrderPatch patch;
  const auto take = [&](const char* path, auto& member, const auto& value) {
    if (paths.contains(path)) member = value;
  };
  if (paths.contains("listing")) {
    ASSIGN_OR_RETURN(patch.listing_id, ReadListing(message.listing()));
  }
  take("amount", patch.amount, values.amount);
  take("inventory_type", patch.inventory_type, values.inventory_type);
  take("shipping_label_url", patch.shipping_label_url, values.shipping_label_url);
  take("shipping_document_path", patch.shipping_document_path, values.shipping_document_path);
  take("sold_at", patch.sold_at, values.sold_at);
  take("gross_sale", patch.gross_sale, values.gross_sale);
  take("platform_fee", patch.platform_fee, values.platform_fee);
  take("shipping_cost", patch.shipping_cost, values.shipping_cost);
  take("buyer_destination_country", patch.buyer_destination_country,
       values.buyer_destination_country);
  take("buyer_destination_city", patch.buyer_destination_city, values.buyer_destination_city);
  take("notes", patch.notes, values.notes);
  return patch;
}

}  // namespace lockstep::orders
