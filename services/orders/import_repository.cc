#include "services/orders/import_repository.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"
#include "services/orders/copy_lines.h"
#include "services/orders/json_text.h"

namespace lockstep::orders {
namespace {

template <typename T>
std::optional<std::string> DecimalText(const std::optional<T>& value) {
  if (!value.has_value()) return std::nullopt;
  if constexpr (std::is_same_v<T, Money>) {
    return value->ToDecimalText();
  } else {
    return value->ToText();
  }
}
std::optional<std::string> TimeText(const std::optional<absl::Time>& value) {
  if (!value.has_value()) return std::nullopt;
  return time::FormatRfc3339(*value);
}
std::optional<std::string> BoolText(const std::optional<bool>& value) {
  if (!value.has_value()) return std::nullopt;
  return *value ? "t" : "f";
}
std::optional<std::string> IntText(const std::optional<std::int32_t>& value) {
  if (!value.has_value()) return std::nullopt;
  return std::to_string(*value);
}

// What an import keeps in raw_data: where the row came from, how its fees add up, and the row.
std::string RawData(const ImportBatchId& batch, const ReportRow& row) {
  JsonObject fees;
  fees.Text("itemisation", ToText(row.sale->itemisation))
      .Text("residual", row.sale->residual.ToDecimalText());
  JsonObject raw;
  raw.Text("source", "stockx_seller_report")
      .Text("import_batch", batch.text())
      .Raw("fees", std::move(fees).Finish())
      .Raw("report", row.payload);
  return std::move(raw).Finish();
}

std::string EventDetails(const ImportBatchId& batch, const ReportedSale& sale) {
  JsonObject details;
  details.Text("import_batch", batch.text());
  if (sale.payout_date.has_value()) {
    details.Text("amount", sale.net_proceeds.ToDecimalText())
        .Text("currency", sale.net_proceeds.currency().code())
        .Text("payout_date", time::FormatRfc3339(*sale.payout_date));
  }
  return std::move(details).Finish();
}

std::string PreviousJson(const OrderWrite& write, const ImportBatchId& batch) {
  JsonObject previous;
  previous.Text("replaced_by", batch.text());
  for (const auto& [column, value] : write.previous) {
    if (value.has_value()) {
      previous.Text(column, *value);
    } else {
      previous.Raw(column, "null");
    }
  }
  return std::move(previous).Finish();
}

// One column of many rows, for unnest.
class Column {
 public:
  void Add(std::optional<std::string> value) { values_.push_back(std::move(value)); }
  pg::Param Param() const { return pg::ArrayLiteral(values_); }

 private:
  std::vector<std::optional<std::string>> values_;
};

// Figures in the order of kFigureColumns, for new and for changed orders alike.
constexpr char kFigureColumns[] =
    "external_id, stockx_order_number, status, currency_code, amount, inventory_type,"
    " stockx_created_at, last_stockx_updated_at, sold_at, gross_sale, platform_fee, shipping_cost,"
    " net_proceeds, gross_profit, net_profit, roi, shelf_life_days, payout_received, payout_date,"
    " buyer_destination_country, buyer_destination_city";
constexpr std::size_t kFigureCount = 21;

std::array<std::optional<std::string>, kFigureCount> Figures(const Order& order) {
  return {order.external_id,
          order.stockx_order_number,
          std::string(ToText(order.status)),
          order.currency.code(),
          DecimalText(order.amount),
          order.inventory_type,
          TimeText(order.platform_created_at),
          TimeText(order.platform_updated_at),
          TimeText(order.sold_at),
          DecimalText(order.gross_sale),
          DecimalText(order.platform_fee),
          DecimalText(order.shipping_cost),
          DecimalText(order.net_proceeds),
          DecimalText(order.gross_profit),
          DecimalText(order.net_profit),
          DecimalText(order.roi),
          IntText(order.shelf_life_days),
          BoolText(order.payout_received),
          TimeText(order.payout_date),
          order.buyer_destination_country,
          order.buyer_destination_city};
}

absl::Status InsertNew(pg::Tx& tx, const Platform& platform, const ImportBatchId& batch,
                       std::span<const OrderWrite> writes) {
  CopyLines lines;
  for (const OrderWrite& write : writes) {
    if (!write.is_new) continue;
    lines.Field(write.order.id.text())
        .Field(platform.id)
        .Field(write.order.inventory_item_id.text());
    for (const auto& figure : Figures(write.order)) lines.Field(figure);
    lines.Field(RawData(batch, *write.row)).EndLine();
  }
  if (lines.empty()) return absl::OkStatus();
  return tx
      .CopyIn(absl::StrFormat("COPY transactions.orders (id, platform_id, inventory_item_id, %s,"
                              " raw_data) FROM STDIN",
                              kFigureColumns),
              lines.text())
      .status();
}

absl::Status UpdateChanged(pg::Tx& tx, const ImportBatchId& batch,
                           std::span<const OrderWrite> writes) {
  Column id;
  Column patch;
  Column previous;
  std::array<Column, kFigureCount> columns;
  bool is_empty = true;
  for (const OrderWrite& write : writes) {
    if (write.is_new) continue;
    is_empty = false;
    id.Add(write.order.id.text());
    const auto figures = Figures(write.order);
    for (std::size_t i = 0; i < kFigureCount; ++i) columns.at(i).Add(figures.at(i));
    patch.Add(RawData(batch, *write.row));
    previous.Add(write.previous.empty() ? std::nullopt
                                        : std::optional<std::string>(PreviousJson(write, batch)));
  }
  if (is_empty) return absl::OkStatus();
  std::vector<pg::Param> params{id.Param()};
  for (const Column& column : columns) params.push_back(column.Param());
  params.push_back(patch.Param());
  params.push_back(previous.Param());
  // Former values are appended, never overwritten: a figure can be traced back through every
  // import.
  return tx
      .QueryList(
          absl::StrFormat(
              "UPDATE transactions.orders o SET (%s) = (u.external_id, u.stockx_order_number,"
              " u.status, u.currency_code, u.amount, u.inventory_type, u.stockx_created_at,"
              " u.last_stockx_updated_at, u.sold_at, u.gross_sale, u.platform_fee,"
              " u.shipping_cost, u.net_proceeds, u.gross_profit, u.net_profit, u.roi,"
              " u.shelf_life_days, u.payout_received, u.payout_date, u.buyer_destination_country,"
              " u.buyer_destination_city),"
              " raw_data = CASE WHEN jsonb_typeof(o.raw_data) = 'object' THEN o.raw_data"
              "   ELSE '{}' END || u.patch || CASE WHEN u.previous IS NULL THEN '{}' ELSE"
              "   jsonb_build_object('previous',"
              "     coalesce(o.raw_data -> 'previous', '[]') || u.previous) END,"
              " updated_at = greatest(clock_timestamp(), o.updated_at + interval '1 microsecond')"
              "  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],"
              "   $6::numeric[], $7::text[], $8::timestamptz[], $9::timestamptz[],"
              "   $10::timestamptz[], $11::numeric[], $12::numeric[], $13::numeric[],"
              "   $14::numeric[], $15::numeric[], $16::numeric[], $17::numeric[], $18::int[],"
              "   $19::bool[], $20::timestamptz[], $21::text[], $22::text[], $23::jsonb[],"
              "   $24::jsonb[]) AS u (id, %s, patch, previous)"
              " WHERE o.id = u.id",
              kFigureColumns, kFigureColumns),
          params)
      .status();
}

absl::Status InsertEvents(pg::Tx& tx, const ImportBatchId& batch,
                          std::span<const OrderWrite> writes) {
  CopyLines lines;
  for (const OrderWrite& write : writes) {
    const bool is_move = write.is_new || write.from_status != write.order.status;
    std::optional<std::string> from;
    std::optional<std::string> to;
    if (is_move && write.from_status.has_value()) from = std::string(ToText(*write.from_status));
    if (is_move) to = std::string(ToText(write.order.status));
    std::optional<std::string> reference;
    if (!write.row->sale->reference.empty()) reference = write.row->sale->reference;
    lines.Field(write.order.id.text())
        .Field("imported")
        .Field(from)
        .Field(to)
        .Field(reference)
        .Field(EventDetails(batch, *write.row->sale))
        .EndLine();
  }
  if (lines.empty()) return absl::OkStatus();
  return tx
      .CopyIn(
          "COPY transactions.order_events (order_id, kind, from_status, to_status, reference,"
          " details) FROM STDIN",
          lines.text())
      .status();
}

}  // namespace

std::string_view ToText(ImportOutcome outcome) {
  static constexpr std::array<std::string_view, kImportOutcomeCount> kTexts = {
      "inserted", "updated", "unchanged", "skipped", "quarantined"};
  return kTexts.at(static_cast<std::size_t>(outcome));
}

std::int64_t ImportCounts::rows() const {
  std::int64_t sum = 0;
  for (const std::int64_t count : outcomes) sum += count;
  return sum;
}

std::int64_t ImportCounts::quarantined() const {
  return outcomes[static_cast<int>(ImportOutcome::kQuarantined)];
}

void ImportCounts::Count(ImportOutcome outcome, const ReportedSale* sale) {
  ++outcomes[static_cast<int>(outcome)];
  if (outcome == ImportOutcome::kQuarantined || sale == nullptr) return;
  ++itemisations[static_cast<int>(sale->itemisation)];
  Total& total = totals[sale->gross_sale.currency().code()];
  total.gross_minor += sale->gross_sale.minor();
  total.net_minor += sale->net_proceeds.minor();
}

void ImportCounts::Add(const ImportCounts& other) {
  for (int i = 0; i < kImportOutcomeCount; ++i) outcomes[i] += other.outcomes[i];
  for (int i = 0; i < 3; ++i) itemisations[i] += other.itemisations[i];
  for (const auto& [currency, total] : other.totals) {
    totals[currency].gross_minor += total.gross_minor;
    totals[currency].net_minor += total.net_minor;
  }
}

absl::StatusOr<std::vector<KnownOrder>> FindKnownOrders(
    pg::Tx& tx, const Platform& platform, std::span<const ReportedSale* const> sales) {
  std::vector<std::string> external_ids;
  std::vector<std::string> numbers;
  for (const ReportedSale* sale : sales) {
    external_ids.push_back(sale->external_id);
    numbers.push_back(sale->platform_number);
  }
  // A StockX number belongs to one order over all platforms; other platforms have none. OFFSET 0
  // keeps each look-up in its place, by index: joined, a large set reads all orders there are.
  ASSIGN_OR_RETURN(pg::Result rows,
                   tx.Query("SELECT u.position, e.id AS by_external_id, n.id AS by_number"
                            "  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY"
                            "    AS u (external_id, number, position)"
                            "  LEFT JOIN LATERAL (SELECT o.id FROM transactions.orders o"
                            "    WHERE o.platform_id = $3::uuid AND o.external_id = u.external_id"
                            "    OFFSET 0) AS e ON true"
                            "  LEFT JOIN LATERAL (SELECT o.id FROM transactions.orders o"
                            "    WHERE o.stockx_order_number = u.number AND $4 = 'stockx'"
                            "    OFFSET 0) AS n ON true"
                            " WHERE e.id IS NOT NULL OR n.id IS NOT NULL",
                            pg::ArrayLiteral(external_ids), pg::ArrayLiteral(numbers), platform.id,
                            platform.slug));
  std::vector<KnownOrder> known(sales.size());
  for (const pg::Row row : rows) {
    KnownOrder& order = known[static_cast<std::size_t>(row.Get<std::int64_t>("position") - 1)];
    if (!row.IsNull("by_external_id")) {
      ASSIGN_OR_RETURN(order.by_external_id, OrderId::Parse(row.Text("by_external_id")));
    }
    if (!row.IsNull("by_number")) {
      ASSIGN_OR_RETURN(order.by_number, OrderId::Parse(row.Text("by_number")));
    }
  }
  return known;
}

absl::StatusOr<std::map<OrderId, StoredOrder>> LockOrders(pg::Tx& tx, std::span<const OrderId> ids,
                                                          std::span<const std::string> payloads) {
  std::map<OrderId, StoredOrder> orders;
  if (ids.empty()) return orders;
  std::vector<std::string> texts;
  for (const OrderId& id : ids) texts.push_back(id.text());
  ASSIGN_OR_RETURN(
      pg::Result rows,
      tx.Query(std::string("SELECT ") + kOrderColumns +
                   ", coalesce(o.raw_data -> 'report' = u.payload, false) AS is_same_payload,"
                   " i.purchase_price, i.gross_purchase_price, i.vat_rate, i.purchase_date"
                   "  FROM " +
                   kOrderTables +
                   "  JOIN products.inventory i ON i.id = o.inventory_item_id"
                   "  JOIN unnest($1::uuid[], $2::jsonb[]) AS u (id, payload) ON u.id = o.id"
                   " ORDER BY o.id FOR UPDATE OF o",
               pg::ArrayLiteral(texts), pg::ArrayLiteral(payloads)));
  for (const pg::Row row : rows) {
    StoredOrder stored;
    ASSIGN_OR_RETURN(stored.order, OrderFromRow(row));
    stored.is_same_payload = row.Get<bool>("is_same_payload");
    ASSIGN_OR_RETURN(stored.purchase, PurchaseFromRow(row));
    const OrderId id = stored.order.id;
    orders.emplace(id, std::move(stored));
  }
  return orders;
}

absl::StatusOr<std::vector<std::pair<OrderId, InventoryItemId>>> FindSurplusItems(
    pg::Tx& tx, std::span<const OrderId> ids) {
  std::vector<std::pair<OrderId, InventoryItemId>> surplus;
  if (ids.empty()) return surplus;
  std::vector<std::string> texts;
  for (const OrderId& id : ids) texts.push_back(id.text());
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx.Query("SELECT o.id, c.inventory_item_id FROM transactions.orders o"
                            "  JOIN products.item_orders c ON c.platform_id = o.platform_id"
                            "    AND c.external_order_id = o.external_id"
                            " WHERE o.id = ANY($1::uuid[])"
                            "   AND c.inventory_item_id <> o.inventory_item_id ORDER BY o.id",
                            pg::ArrayLiteral(texts)));
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(const OrderId id, OrderId::Parse(row.Text("id")));
    ASSIGN_OR_RETURN(const InventoryItemId item,
                     InventoryItemId::Parse(row.Text("inventory_item_id")));
    surplus.emplace_back(id, item);
  }
  return surplus;
}

absl::StatusOr<std::map<InventoryItemId, Purchase>> ReadPurchases(
    pg::Tx& tx, std::span<const InventoryItemId> items) {
  std::map<InventoryItemId, Purchase> purchases;
  if (items.empty()) return purchases;
  std::vector<std::string> texts;
  for (const InventoryItemId& item : items) texts.push_back(item.text());
  ASSIGN_OR_RETURN(
      pg::Result rows,
      tx.Query("SELECT id, purchase_price, gross_purchase_price, vat_rate, purchase_date"
               "  FROM products.inventory WHERE id = ANY($1::uuid[])",
               pg::ArrayLiteral(texts)));
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(InventoryItemId id, InventoryItemId::Parse(row.Text("id")));
    ASSIGN_OR_RETURN(std::optional<Purchase> purchase, PurchaseFromRow(row));
    if (purchase.has_value()) purchases.emplace(id, *std::move(purchase));
  }
  return purchases;
}

absl::Status WriteOrders(pg::Tx& tx, const Platform& platform, const ImportBatchId& batch,
                         std::span<const OrderWrite> writes) {
  RETURN_IF_ERROR(InsertNew(tx, platform, batch, writes));
  RETURN_IF_ERROR(UpdateChanged(tx, batch, writes));
  return InsertEvents(tx, batch, writes);
}

}  // namespace lockstep::orders
