#include "services/orders/sold_units.h"

#include <vector>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::orders {

absl::StatusOr<UnsoldUnits> UnsoldUnits::Lock(pg::Tx& tx, std::span<const InventoryItemId> items,
                                              const std::optional<OrderId>& except) {
  UnsoldUnits unsold;
  if (items.empty()) return unsold;
  std::vector<std::string> texts;
  texts.reserve(items.size());
  for (const InventoryItemId& item : items) texts.push_back(item.text());
  // Items share 64 locks: a set of an import has a thousand items, and the server keeps the locks
  // of all transactions in a table of fixed size.
  RETURN_IF_ERROR(
      tx.Query(
            "SELECT pg_advisory_xact_lock(hashtext('orders.sold_units'), l.number) FROM ("
            " SELECT DISTINCT hashtext(u.id::text) & 63 AS number FROM unnest($1::uuid[]) AS u (id)"
            " ORDER BY 1) AS l",
            pg::ArrayLiteral(texts))
          .status());
  // A statement of its own: it sees what was committed before the locks were granted. OFFSET 0
  // keeps the look-ups item by item: joined, a large set reads all items and orders there are, and
  // without statistics the index of statuses looks as good as that of items.
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      tx.Query("SELECT i.id, greatest(i.quantity, 1) AS units, s.sold, s.order_id"
               "  FROM unnest($1::uuid[]) AS u (id)"
               "  JOIN LATERAL (SELECT id, quantity FROM products.inventory WHERE id = u.id"
               "    OFFSET 0) AS i ON true"
               "  JOIN LATERAL ("
               "   SELECT count(*) AS sold, min(o.id::text) AS order_id FROM ("
               "     SELECT id, status FROM transactions.orders WHERE inventory_item_id = u.id"
               "     OFFSET 0) AS o"
               "    WHERE o.id IS DISTINCT FROM $2::uuid"
               "      AND (o.status = 'completed' OR (o.status = 'disputed' AND EXISTS ("
               "        SELECT FROM transactions.order_events e WHERE e.order_id = o.id"
               "          AND 'completed' IN (e.from_status, e.to_status))))) AS s ON true"
               " WHERE s.sold > 0 OR i.quantity > 1",
               pg::ArrayLiteral(texts),
               except.has_value() ? std::optional<std::string>(except->text()) : std::nullopt));
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(const InventoryItemId id, InventoryItemId::Parse(row.Text("id")));
    unsold.items_[id] = {.units = row.Get<std::int32_t>("units"),
                         .sold = row.Get<std::int64_t>("sold"),
                         .sold_to = row.OptionalText("order_id").value_or("")};
  }
  return unsold;
}

absl::Status UnsoldUnits::Take(const Order& order) {
  Item& item = items_[order.inventory_item_id];
  if (item.sold >= item.units) {
    return Error(absl::StatusCode::kFailedPrecondition, "ITEM_SOLD",
                 "another order has sold the item of this order")
        .With("order", order.id.text())
        .With("other_order", item.sold_to);
  }
  ++item.sold;
  item.sold_to = order.id.text();
  return absl::OkStatus();
}

}  // namespace lockstep::orders
