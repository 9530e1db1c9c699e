#include "services/orders/order_repository.h"

#include <map>
#include <utility>

#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"

namespace lockstep::orders {

const char* const kOrderColumns =
    "o.id, p.slug AS platform_slug, p.name AS platform_name, o.external_id,"
    " o.stockx_order_number, o.inventory_item_id, o.listing_id, o.status,"
    " coalesce(o.currency_code, 'EUR') AS currency_code, o.amount, o.inventory_type,"
    " o.shipping_label_url, o.shipping_document_path, o.stockx_created_at,"
    " o.last_stockx_updated_at, o.sold_at, o.gross_sale, o.net_proceeds, o.gross_profit,"
    " o.net_profit, o.roi, o.payout_received, o.payout_date, o.shelf_life_days, o.platform_fee,"
    " o.shipping_cost, o.buyer_destination_country, o.buyer_destination_city, o.notes,"
    " o.created_at, o.updated_at, s.sku, s.product_name, s.brand_name, s.size_value, s.size_region";

const char* const kOrderTables =
    "transactions.orders o"
    "  JOIN core.platforms p ON p.id = o.platform_id"
    "  LEFT JOIN products.item_summaries s ON s.inventory_item_id = o.inventory_item_id";

namespace {

absl::Status Broken(std::string_view what, std::string_view value) {
  return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN", "a stored order cannot be read")
      .With(what, value);
}

absl::StatusOr<std::optional<Money>> AmountFromRow(const pg::Row& row, std::string_view column,
                                                   const Currency& currency) {
  if (row.IsNull(column)) return std::optional<Money>();
  absl::StatusOr<Money> amount = money::ParseMoney(row.Text(column), currency);
  if (!amount.ok()) return Broken(column, row.Text(column));
  return std::optional<Money>(*amount);
}

absl::Status ReadAmounts(const pg::Row& row, Order& order) {
  const auto read = [&](std::string_view column, std::optional<Money>& into) -> absl::Status {
    ASSIGN_OR_RETURN(into, AmountFromRow(row, column, order.currency));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(read("amount", order.amount));
  RETURN_IF_ERROR(read("gross_sale", order.gross_sale));
  RETURN_IF_ERROR(read("net_proceeds", order.net_proceeds));
  RETURN_IF_ERROR(read("gross_profit", order.gross_profit));
  RETURN_IF_ERROR(read("net_profit", order.net_profit));
  RETURN_IF_ERROR(read("platform_fee", order.platform_fee));
  RETURN_IF_ERROR(read("shipping_cost", order.shipping_cost));
  if (!row.IsNull("roi")) {
    ASSIGN_OR_RETURN(order.roi, Decimal::Parse(row.Text("roi")));
  }
  return absl::OkStatus();
}

absl::StatusOr<Order> One(absl::StatusOr<std::optional<pg::Row>> row, std::string_view key,
                          std::string_view value) {
  if (!row.ok()) return row.status();
  if (!row->has_value()) {
    return Error(absl::StatusCode::kNotFound, "ORDER_NOT_FOUND", "there is no such order")
        .With(key, value);
  }
  return OrderFromRow(**row);
}

std::optional<std::string> SqlText(const std::optional<Money>& value) {
  if (!value.has_value()) return std::nullopt;
  return value->ToDecimalText();
}
std::optional<std::string> SqlText(const std::optional<Decimal>& value) {
  if (!value.has_value()) return std::nullopt;
  return value->ToText();
}
template <typename Tag>
std::optional<std::string> SqlText(const std::optional<ids::Id<Tag>>& value) {
  if (!value.has_value()) return std::nullopt;
  return value->text();
}
std::optional<std::string> SqlText(const std::optional<OrderStatus>& value) {
  if (!value.has_value()) return std::nullopt;
  return std::string(ToText(*value));
}

std::string Sql(const char* extra_columns, const char* rest) {
  return std::string("SELECT ") + kOrderColumns + extra_columns + "  FROM " + kOrderTables + rest;
}

}  // namespace

absl::StatusOr<Order> OrderFromRow(const pg::Row& row) {
  Order order;
  const std::string id = row.Text("id");
  ASSIGN_OR_RETURN(order.id, OrderId::Parse(id));
  order.platform_slug = row.Text("platform_slug");
  order.platform_name = row.Text("platform_name");
  order.external_id = row.OptionalText("external_id");
  order.stockx_order_number = row.OptionalText("stockx_order_number");
  ASSIGN_OR_RETURN(order.inventory_item_id, InventoryItemId::Parse(row.Text("inventory_item_id")));
  if (!row.IsNull("listing_id")) {
    ASSIGN_OR_RETURN(order.listing_id, ListingId::Parse(row.Text("listing_id")));
  }
  absl::StatusOr<OrderStatus> status = OrderStatusFromText(row.Text("status"));
  if (!status.ok()) return Broken("order", id);
  order.status = *status;
  absl::StatusOr<Currency> currency = Currency::Parse(row.Text("currency_code"));
  if (!currency.ok()) return Broken("order", id);
  order.currency = *currency;
  RETURN_IF_ERROR(ReadAmounts(row, order));
  order.inventory_type = row.OptionalText("inventory_type");
  order.shipping_label_url = row.OptionalText("shipping_label_url");
  order.shipping_document_path = row.OptionalText("shipping_document_path");
  order.platform_created_at = row.Optional<absl::Time>("stockx_created_at");
  order.platform_updated_at = row.Optional<absl::Time>("last_stockx_updated_at");
  order.sold_at = row.Optional<absl::Time>("sold_at");
  order.payout_received = row.Optional<bool>("payout_received");
  order.payout_date = row.Optional<absl::Time>("payout_date");
  order.shelf_life_days = row.Optional<std::int32_t>("shelf_life_days");
  order.buyer_destination_country = row.OptionalText("buyer_destination_country");
  order.buyer_destination_city = row.OptionalText("buyer_destination_city");
  order.notes = row.OptionalText("notes");
  order.created_at = row.Get<absl::Time>("created_at");
  order.updated_at = row.Get<absl::Time>("updated_at");
  if (!row.IsNull("sku")) {
    order.item = ItemSummary{.sku = row.Text("sku"),
                             .product_name = row.Text("product_name"),
                             .brand_name = row.OptionalText("brand_name").value_or(""),
                             .size_value = row.OptionalText("size_value").value_or(""),
                             .size_region = row.OptionalText("size_region").value_or("")};
  }
  return order;
}

absl::StatusOr<Order> GetOrder(pg::Tx& tx, const OrderId& id, RawData raw_data) {
  if (raw_data == RawData::kLeaveOut) {
    return One(tx.Maybe(Sql("", " WHERE o.id = $1"), id.text()), "order", id.text());
  }
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe(Sql(", o.raw_data", " WHERE o.id = $1"), id.text()));
  ASSIGN_OR_RETURN(Order order, One(row, "order", id.text()));
  order.raw_data = row->OptionalText("raw_data");
  return order;
}

absl::StatusOr<Order> GetOrderForUpdate(pg::Tx& tx, const OrderId& id) {
  return One(tx.Maybe(Sql("", " WHERE o.id = $1 FOR UPDATE OF o"), id.text()), "order", id.text());
}

absl::StatusOr<Order> GetOrderByExternalId(pg::Tx& tx, std::string_view platform_slug,
                                           std::string_view external_id) {
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe(Sql(", o.raw_data", " WHERE p.slug = $1 AND o.external_id = $2"),
                            platform_slug, external_id));
  ASSIGN_OR_RETURN(Order order, One(row, "external_id", external_id));
  order.raw_data = row->OptionalText("raw_data");
  return order;
}

absl::StatusOr<Order> GetOrderByStockxNumber(pg::Tx& tx, std::string_view number) {
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe(Sql(", o.raw_data", " WHERE o.stockx_order_number = $1"), number));
  ASSIGN_OR_RETURN(Order order, One(row, "stockx_order_number", number));
  order.raw_data = row->OptionalText("raw_data");
  return order;
}

absl::StatusOr<std::vector<Order>> GetOrders(pg::Tx& tx, std::span<const OrderId> ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const OrderId& id : ids) texts.push_back(id.text());
  ASSIGN_OR_RETURN(pg::Result rows,
                   tx.Query(Sql("", " WHERE o.id = ANY($1::uuid[])"), pg::ArrayLiteral(texts)));
  std::map<OrderId, Order> found;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(Order order, OrderFromRow(row));
    found.emplace(order.id, std::move(order));
  }
  std::vector<Order> orders;
  orders.reserve(ids.size());
  for (const OrderId& id : ids) {
    const auto it = found.find(id);
    if (it == found.end()) {
      return Error(absl::StatusCode::kNotFound, "ORDER_NOT_FOUND", "there is no such order")
          .With("order", id.text());
    }
    orders.push_back(it->second);
  }
  return orders;
}

absl::StatusOr<Platform> FindPlatform(pg::Tx& tx, std::string_view slug, std::string_view field) {
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe("SELECT id, slug, name FROM core.platforms WHERE slug = $1", slug));
  if (!row.has_value()) {
    return InvalidField(field, "PLATFORM_UNKNOWN", "there is no platform with this slug");
  }
  return Platform{.id = row->Text("id"), .slug = row->Text("slug"), .name = row->Text("name")};
}

absl::StatusOr<std::optional<Purchase>> PurchaseFromRow(const pg::Row& row) {
  // Purchases are recorded in EUR (domain.md 1.3).
  ASSIGN_OR_RETURN(std::optional<Money> net, AmountFromRow(row, "purchase_price", money::kEur));
  if (!net.has_value()) return std::optional<Purchase>();
  ASSIGN_OR_RETURN(std::optional<Money> gross,
                   AmountFromRow(row, "gross_purchase_price", money::kEur));
  Purchase purchase{.net = *net,
                    .gross = gross,
                    .vat_rate = std::nullopt,
                    .bought_at = row.Optional<absl::Time>("purchase_date")};
  if (!row.IsNull("vat_rate")) {
    ASSIGN_OR_RETURN(purchase.vat_rate, Decimal::Parse(row.Text("vat_rate")));
  }
  return std::optional<Purchase>(std::move(purchase));
}

absl::StatusOr<std::optional<Purchase>> ReadPurchase(pg::Tx& tx, const InventoryItemId& item) {
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe("SELECT purchase_price, gross_purchase_price, vat_rate, purchase_date"
                            "  FROM products.inventory WHERE id = $1",
                            item.text()));
  if (!row.has_value()) {
    return InvalidField("order.inventory_item", "ITEM_UNKNOWN", "there is no such inventory item");
  }
  return PurchaseFromRow(*row);
}

absl::Status InsertOrder(pg::Tx& tx, const Order& order) {
  absl::StatusOr<std::int64_t> inserted = tx.Execute(
      "INSERT INTO transactions.orders (id, platform_id, external_id, stockx_order_number,"
      " inventory_item_id, listing_id, status, currency_code, amount, inventory_type,"
      " shipping_label_url, shipping_document_path, sold_at, gross_sale, platform_fee,"
      " shipping_cost, net_proceeds, gross_profit, net_profit, roi, shelf_life_days,"
      " payout_received, payout_date, buyer_destination_country, buyer_destination_city, notes)"
      " SELECT $1, p.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
      " $19, $20, $21, $22, $23, $24, $25, $26 FROM core.platforms p WHERE p.slug = $2",
      order.id.text(), order.platform_slug, order.external_id, order.stockx_order_number,
      order.inventory_item_id.text(), SqlText(order.listing_id), ToText(order.status),
      order.currency.code(), SqlText(order.amount), order.inventory_type, order.shipping_label_url,
      order.shipping_document_path, order.sold_at, SqlText(order.gross_sale),
      SqlText(order.platform_fee), SqlText(order.shipping_cost), SqlText(order.net_proceeds),
      SqlText(order.gross_profit), SqlText(order.net_profit), SqlText(order.roi),
      order.shelf_life_days, order.payout_received, order.payout_date,
      order.buyer_destination_country, order.buyer_destination_city, order.notes);
  if (inserted.ok()) return absl::OkStatus();
  if (pg::SqlStateOf(inserted.status()) == "23505") {
    return Error(absl::StatusCode::kAlreadyExists, "ORDER_EXISTS",
                 "the platform has an order with this external id")
        .With("external_id", order.external_id.value_or(""));
  }
  return inserted.status();
}

absl::Status SaveOrder(pg::Tx& tx, const Order& order) {
  // Two changes within one microsecond must not share an etag.
  return tx
      .Execute(
          "UPDATE transactions.orders SET listing_id = $2, status = $3, amount = $4,"
          " inventory_type = $5, shipping_label_url = $6, shipping_document_path = $7,"
          " sold_at = $8, gross_sale = $9, platform_fee = $10, shipping_cost = $11,"
          " net_proceeds = $12, gross_profit = $13, net_profit = $14, roi = $15,"
          " shelf_life_days = $16, payout_received = $17, payout_date = $18,"
          " buyer_destination_country = $19, buyer_destination_city = $20, notes = $21,"
          " updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')"
          " WHERE id = $1",
          order.id.text(), SqlText(order.listing_id), ToText(order.status), SqlText(order.amount),
          order.inventory_type, order.shipping_label_url, order.shipping_document_path,
          order.sold_at, SqlText(order.gross_sale), SqlText(order.platform_fee),
          SqlText(order.shipping_cost), SqlText(order.net_proceeds), SqlText(order.gross_profit),
          SqlText(order.net_profit), SqlText(order.roi), order.shelf_life_days,
          order.payout_received, order.payout_date, order.buyer_destination_country,
          order.buyer_destination_city, order.notes)
      .status();
}

absl::Status AppendEvent(pg::Tx& tx, const OrderEvent& event) {
  return tx
      .Execute(
          "INSERT INTO transactions.order_events (order_id, kind, from_status, to_status,"
          " reference, actor, request_id, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
          event.order_id.text(), event.kind, SqlText(event.from_status), SqlText(event.to_status),
          event.reference, event.actor, event.request_id, event.details)
      .status();
}

absl::StatusOr<OrderEvent> EventFromRow(const pg::Row& row) {
  OrderEvent event;
  event.id = row.Get<std::int64_t>("id");
  ASSIGN_OR_RETURN(event.order_id, OrderId::Parse(row.Text("order_id")));
  event.kind = row.Text("kind");
  if (!row.IsNull("from_status")) {
    ASSIGN_OR_RETURN(event.from_status, OrderStatusFromText(row.Text("from_status")));
  }
  if (!row.IsNull("to_status")) {
    ASSIGN_OR_RETURN(event.to_status, OrderStatusFromText(row.Text("to_status")));
  }
  event.at = row.Get<absl::Time>("at");
  event.reference = row.OptionalText("reference");
  event.actor = row.OptionalText("actor");
  event.request_id = row.OptionalText("request_id");
  event.details = row.Text("details");
  return event;
}

absl::StatusOr<bool> HasBeenCompleted(pg::Tx& tx, const Order& order) {
  if (order.status != OrderStatus::kDisputed) return order.status == OrderStatus::kCompleted;
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe("SELECT 1 AS one FROM transactions.order_events e WHERE e.order_id = $1"
                            "   AND 'completed' IN (e.from_status, e.to_status) LIMIT 1",
                            order.id.text()));
  return row.has_value();
}

absl::StatusOr<std::vector<RecordedPayout>> ReadPayouts(pg::Tx& tx, const OrderId& id) {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      tx.Query("SELECT reference, details->>'amount' AS amount, details->>'currency' AS currency,"
               " (details->>'payout_date')::timestamptz AS payout_date"
               "  FROM transactions.order_events"
               " WHERE order_id = $1 AND kind IN ('payout', 'imported')"
               "   AND details ? 'payout_date'"
               " ORDER BY id",
               id.text()));
  std::vector<RecordedPayout> payouts;
  for (const pg::Row row : rows) {
    payouts.push_back({.reference = row.OptionalText("reference").value_or(""),
                       .amount = row.OptionalText("amount").value_or(""),
                       .currency = row.OptionalText("currency").value_or(""),
                       .payout_date = row.Get<absl::Time>("payout_date")});
  }
  return payouts;
}

}  // namespace lockstep::orders
