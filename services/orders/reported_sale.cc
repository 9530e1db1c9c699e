#include "services/orders/reported_sale.h"

#include "common/status/error.h"

namespace lockstep::orders {

std::string_view ToText(FeeItemisation itemisation) {
  switch (itemisation) {
    case FeeItemisation::kExact:
      return "exact";
    case FeeItemisation::kRounded:
      return "rounded";
    case FeeItemisation::kUnitemised:
      return "unitemised";
  }
  return "";
}

Problem ProblemFrom(const absl::Status& status, std::string_view column) {
  return {.reason = ReasonOf(status), .column = std::string(column), .message = MessageOf(status)};
}

Order NewOrder(const ReportedSale& sale, std::string_view platform_slug, OrderId id,
               InventoryItemId item) {
  Order order;
  order.id = id;
  order.platform_slug = std::string(platform_slug);
  order.external_id = sale.external_id;
  if (platform_slug == "stockx") order.stockx_order_number = sale.platform_number;
  order.inventory_item_id = item;
  order.status = OrderStatus::kCompleted;
  order.currency = sale.gross_sale.currency();
  order.amount = sale.gross_sale;
  order.inventory_type = sale.inventory_type;
  order.platform_created_at = sale.sold_at;
  order.platform_updated_at = sale.reported_at;
  order.sold_at = sale.sold_at;
  order.gross_sale = sale.gross_sale;
  order.platform_fee = sale.platform_fee;
  order.shipping_cost = sale.shipping_cost;
  order.net_proceeds = sale.net_proceeds;
  if (sale.payout_date.has_value()) order.payout_received = true;
  order.payout_date = sale.payout_date;
  order.buyer_destination_country = sale.country;
  order.buyer_destination_city = sale.city;
  return order;
}

}  // namespace lockstep::orders
