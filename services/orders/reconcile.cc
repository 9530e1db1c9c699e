#include "services/orders/reconcile.h"

#include <array>
#include <utility>

#include "common/status/macros.h"

namespace lockstep::orders {
namespace {

struct Check {
  DifferenceKind kind;
  // Returns order_id, inventory_item_id, event_id, detail; takes the limit as $1.
  const char* sql;
};

// An event that is still to be delivered explains a difference: it is being mended.
#define LOCKSTEP_NO_EVENT_UNDER_WAY(item)              \
  " AND NOT EXISTS (SELECT FROM transactions.outbox e" \
  "  WHERE e.aggregate = 'inventoryItems/' || " item   \
  "::text"                                             \
  "  AND e.delivered_at IS NULL AND e.dead_at IS NULL)"

constexpr std::array<Check, 7> kChecks = {{
    {DifferenceKind::kItemNotSold,
     "SELECT o.id AS order_id, o.inventory_item_id, NULL::uuid AS event_id,"
     " 'the item is ' || i.status AS detail"
     "  FROM transactions.orders o JOIN products.inventory i ON i.id = o.inventory_item_id"
     " WHERE o.status = 'completed' AND i.status <> 'sold'"
     "   AND NOT EXISTS (SELECT FROM products.item_orders c WHERE c.inventory_item_id = i.id"
     "     AND c.status = 'sold' AND (c.order_id = o.id"
     "       OR (c.platform_id = o.platform_id AND c.external_order_id = "
     "o.external_id)))" LOCKSTEP_NO_EVENT_UNDER_WAY(
         "o.inventory_item_id") " ORDER BY o.id LIMIT $1"},
    {DifferenceKind::kItemSoldTwice,
     "SELECT NULL::uuid AS order_id, i.id AS inventory_item_id, NULL::uuid AS event_id,"
     " count(*) || ' completed orders for ' || i.quantity || ' units' AS detail"
     "  FROM transactions.orders o JOIN products.inventory i ON i.id = o.inventory_item_id"
     " WHERE o.status = 'completed' GROUP BY i.id, i.quantity"
     " HAVING count(*) > greatest(i.quantity, 1) ORDER BY i.id LIMIT $1"},
    {DifferenceKind::kItemWithoutOrder,
     "SELECT coalesce(a.id, b.id, c.order_id) AS order_id, c.inventory_item_id,"
     " NULL::uuid AS event_id, 'held for ' || coalesce(c.external_order_id, 'an order') ||"
     " CASE WHEN a.id IS NULL AND b.id IS NULL THEN ', which does not exist'"
     "   ELSE ', which is for another item' END AS detail"
     "  FROM products.item_orders c"
     "  LEFT JOIN transactions.orders a ON a.id = c.order_id"
     "  LEFT JOIN transactions.orders b ON b.platform_id = c.platform_id"
     "    AND b.external_id = c.external_order_id"
     " WHERE a.inventory_item_id IS DISTINCT FROM c.inventory_item_id"
     "   AND b.inventory_item_id IS DISTINCT FROM "
     "c.inventory_item_id" LOCKSTEP_NO_EVENT_UNDER_WAY(
         "c.inventory_item_id") " ORDER BY c.id LIMIT $1"},
    {DifferenceKind::kEventStuck,
     "SELECT NULL::uuid AS order_id,"
     " substring(e.aggregate FROM '^inventoryItems/(.*)$')::uuid AS inventory_item_id, e.event_id,"
     " e.kind || ' failed ' || e.attempts || ' times' AS detail"
     "  FROM transactions.outbox e"
     " WHERE e.delivered_at IS NULL AND e.dead_at IS NULL AND e.attempts > 0"
     "   AND e.last_error IS NOT NULL ORDER BY e.sequence LIMIT $1"},
    {DifferenceKind::kEventDead,
     "SELECT NULL::uuid AS order_id,"
     " substring(e.aggregate FROM '^inventoryItems/(.*)$')::uuid AS inventory_item_id, e.event_id,"
     " e.kind || ' was given up after ' || e.attempts || ' times' AS detail"
     "  FROM transactions.outbox e WHERE e.dead_at IS NOT NULL ORDER BY e.sequence LIMIT $1"},
    {DifferenceKind::kItemNotReleased,
     "SELECT o.id AS order_id, o.inventory_item_id, NULL::uuid AS event_id,"
     " 'the order is ' || o.status AS detail"
     "  FROM transactions.orders o JOIN products.item_orders c"
     "    ON c.inventory_item_id = o.inventory_item_id AND (c.order_id = o.id"
     "      OR (c.platform_id = o.platform_id AND c.external_order_id = o.external_id))"
     " WHERE o.status IN ('cancelled', 'returned', "
     "'refunded')" LOCKSTEP_NO_EVENT_UNDER_WAY("o.inventory_item_id") " ORDER BY o.id LIMIT $1"},
    {DifferenceKind::kItemNotReserved,
     "SELECT o.id AS order_id, o.inventory_item_id, NULL::uuid AS event_id,"
     " 'the order is ' || o.status || ', the item ' || i.status || ' and not kept for it' AS detail"
     "  FROM transactions.orders o JOIN products.inventory i ON i.id = o.inventory_item_id"
     " WHERE o.status IN ('pending', 'confirmed', 'shipped', 'authenticating', 'authenticated')"
     "   AND NOT EXISTS (SELECT FROM products.item_orders c WHERE c.inventory_item_id = i.id"
     "     AND (c.order_id = o.id OR (c.platform_id = o.platform_id"
     "       AND c.external_order_id = "
     "o.external_id)))" LOCKSTEP_NO_EVENT_UNDER_WAY(
         "o.inventory_item_id") " ORDER BY o.id LIMIT $1"},
}};

#undef LOCKSTEP_NO_EVENT_UNDER_WAY

}  // namespace

absl::StatusOr<Reconciliation> ReconcileItems(pg::Tx& tx, int limit) {
  Reconciliation result;
  for (const Check& check : kChecks) {
    ASSIGN_OR_RETURN(pg::Result rows, tx.Query(check.sql, limit));
    for (const pg::Row row : rows) {
      result.differences.push_back({.kind = check.kind,
                                    .order = row.OptionalText("order_id"),
                                    .inventory_item = row.OptionalText("inventory_item_id"),
                                    .event_id = row.OptionalText("event_id"),
                                    .detail = row.Text("detail")});
    }
  }
  ASSIGN_OR_RETURN(pg::Row counts,
                   tx.One("SELECT (SELECT count(*) FROM transactions.orders"
                          "   WHERE status = 'completed') AS completed,"
                          " (SELECT count(*) FROM transactions.outbox"
                          "   WHERE delivered_at IS NULL AND dead_at IS NULL) AS pending"));
  result.completed_orders = counts.Get<std::int64_t>("completed");
  result.pending_events = counts.Get<std::int64_t>("pending");
  return result;
}

}  // namespace lockstep::orders
