#include "services/catalog/item_repository.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::catalog {
namespace {

using ids::Uuid;
using TextColumn = std::vector<std::optional<std::string>>;

// The column of a row: a UUID that the database made or checked.
Uuid UuidOf(const pg::Row& row, std::string_view column) {
  return Uuid::Parse(row.Text(column)).value_or(Uuid());
}

std::optional<std::string> TextOf(const std::optional<Uuid>& id) {
  if (!id.has_value()) return std::nullopt;
  return id->text();
}

LedgerItem ItemFromRow(const pg::Row& row) {
  return {.id = UuidOf(row, "id"),
          .status = ItemStatusFromText(row.Text("status")).value_or(ItemStatus::kError),
          .quantity = row.Get<std::int32_t>("quantity"),
          .purchase_date = row.Optional<absl::Time>("purchase_date"),
          .shelf_life_days = row.Optional<std::int32_t>("shelf_life_days"),
          .is_made_up = row.Get<bool>("is_made_up"),
          .is_changed = false};
}

Claim ClaimFromRow(const pg::Row& row) {
  Claim claim;
  claim.id = row.Get<std::int64_t>("id");
  claim.item_id = UuidOf(row, "inventory_item_id");
  if (!row.IsNull("order_id")) claim.order.order_id = UuidOf(row, "order_id");
  if (!row.IsNull("platform_id")) {
    claim.order.platform_id = UuidOf(row, "platform_id");
    claim.order.external_order_id = row.Text("external_order_id");
  }
  claim.is_sold = row.Text("status") == "sold";
  claim.sold_at = row.Optional<absl::Time>("sold_at");
  return claim;
}

absl::StatusOr<pg::Result> LoadClaims(pg::Tx& tx, const std::vector<std::string>& item_ids,
                                      const std::vector<OrderRef>& orders) {
  std::vector<std::string> order_ids;
  std::vector<std::string> platform_ids;
  std::vector<std::string> external_ids;
  for (const OrderRef& order : orders) {
    if (order.order_id.has_value()) order_ids.push_back(order.order_id->text());
    if (order.platform_id.has_value()) {
      platform_ids.push_back(order.platform_id->text());
      external_ids.push_back(order.external_order_id);
    }
  }
  // One branch for each key, so that each uses its index; UNION makes the rows distinct.
  constexpr std::string_view kColumns =
      "SELECT o.id, o.inventory_item_id, o.order_id, o.platform_id, o.external_order_id, o.status,"
      " o.sold_at FROM products.item_orders o";
  const std::string columns(kColumns);
  return tx.Query(columns + " WHERE o.inventory_item_id = ANY($1::uuid[]) UNION " + columns +
                      " WHERE o.order_id = ANY($2::uuid[]) UNION " + columns +
                      " JOIN unnest($3::uuid[], $4::text[]) AS u (platform_id, external_order_id)"
                      " ON u.platform_id = o.platform_id"
                      " AND u.external_order_id = o.external_order_id ORDER BY 1",
                  pg::ArrayLiteral(item_ids), pg::ArrayLiteral(order_ids),
                  pg::ArrayLiteral(platform_ids), pg::ArrayLiteral(external_ids));
}

// Columns of claims for unnest.
struct ClaimColumns {
  TextColumn ids, items, orders, platforms, external_ids, statuses, times;

  void Add(const Claim& claim) {
    ids.emplace_back(std::to_string(claim.id));
    items.emplace_back(claim.item_id.text());
    orders.push_back(TextOf(claim.order.order_id));
    platforms.push_back(TextOf(claim.order.platform_id));
    external_ids.push_back(claim.order.platform_id.has_value()
                               ? std::optional<std::string>(claim.order.external_order_id)
                               : std::nullopt);
    statuses.emplace_back(claim.is_sold ? "sold" : "reserved");
    times.push_back(pg::Param(claim.sold_at).text());
  }
};

absl::Status SaveClaims(pg::Tx& tx, const std::vector<Claim>& claims) {
  std::vector<std::string> deleted;
  ClaimColumns added;
  ClaimColumns changed;
  for (const Claim& claim : claims) {
    if (claim.is_deleted) {
      if (claim.id != 0) deleted.push_back(std::to_string(claim.id));
    } else if (claim.is_changed) {
      (claim.id == 0 ? added : changed).Add(claim);
    }
  }
  if (!deleted.empty()) {
    RETURN_IF_ERROR(tx.Execute("DELETE FROM products.item_orders WHERE id = ANY($1::bigint[])",
                               pg::ArrayLiteral(deleted))
                        .status());
  }
  if (!changed.ids.empty()) {
    RETURN_IF_ERROR(
        tx.Execute("UPDATE products.item_orders o SET order_id = u.order_id,"
                   " platform_id = u.platform_id, external_order_id = u.external_order_id,"
                   " status = u.status, sold_at = u.sold_at, updated_at = now()"
                   " FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],"
                   " $6::timestamptz[]) AS u (id, order_id, platform_id, external_order_id, status,"
                   " sold_at) WHERE o.id = u.id",
                   pg::ArrayLiteral(changed.ids), pg::ArrayLiteral(changed.orders),
                   pg::ArrayLiteral(changed.platforms), pg::ArrayLiteral(changed.external_ids),
                   pg::ArrayLiteral(changed.statuses), pg::ArrayLiteral(changed.times))
            .status());
  }
  if (added.ids.empty()) return absl::OkStatus();
  return tx
      .Execute(
          "INSERT INTO products.item_orders (inventory_item_id, order_id, platform_id,"
          " external_order_id, status, sold_at) SELECT u.* FROM unnest($1::uuid[],"
          " $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[])"
          " AS u (item_id, order_id, platform_id, external_order_id, status, sold_at)",
          pg::ArrayLiteral(added.items), pg::ArrayLiteral(added.orders),
          pg::ArrayLiteral(added.platforms), pg::ArrayLiteral(added.external_ids),
          pg::ArrayLiteral(added.statuses), pg::ArrayLiteral(added.times))
      .status();
}

}  // namespace

absl::StatusOr<ItemLedger> LoadLedger(pg::Tx& tx, const std::vector<Uuid>& item_ids,
                                      const std::vector<OrderRef>& orders) {
  const std::set<Uuid> distinct(item_ids.begin(), item_ids.end());
  std::vector<std::string> ids;
  for (const Uuid& id : distinct) ids.push_back(id.text());
  ItemLedger ledger;
  ASSIGN_OR_RETURN(const pg::Result items,
                   tx.Query("SELECT i.id, i.status, i.quantity, i.purchase_date, i.shelf_life_days,"
                            " i.purchase_price IS NULL AND coalesce("
                            "(i.external_ids ->> 'is_placeholder')::boolean, false) AS is_made_up"
                            " FROM products.inventory i WHERE i.id = ANY($1::uuid[])"
                            " ORDER BY i.id FOR UPDATE",
                            pg::ArrayLiteral(ids)));
  for (const pg::Row row : items) ledger.AddItem(ItemFromRow(row));
  // A statement of its own: it sees what was committed before the locks were granted.
  ASSIGN_OR_RETURN(const pg::Result claims, LoadClaims(tx, ids, orders));
  for (const pg::Row row : claims) ledger.AddClaim(ClaimFromRow(row));
  return ledger;
}

absl::Status SaveLedger(pg::Tx& tx, const ItemLedger& ledger) {
  RETURN_IF_ERROR(ClaimError(SaveClaims(tx, ledger.claims())));
  TextColumn ids;
  TextColumn statuses;
  TextColumn shelf_lives;
  for (const auto& [id, item] : ledger.items()) {
    if (!item.is_changed) continue;
    ids.emplace_back(id.text());
    statuses.emplace_back(ToText(item.status));
    shelf_lives.push_back(pg::Param(item.shelf_life_days).text());
  }
  if (ids.empty()) return absl::OkStatus();
  return tx
      .Execute(
          "UPDATE products.inventory i SET status = u.status,"
          " shelf_life_days = u.shelf_life_days,"
          " updated_at = greatest(now(), i.updated_at + interval '1 microsecond')"
          " FROM unnest($1::uuid[], $2::text[], $3::int[]) AS u (id, status, shelf_life_days)"
          " WHERE i.id = u.id",
          pg::ArrayLiteral(ids), pg::ArrayLiteral(statuses), pg::ArrayLiteral(shelf_lives))
      .status();
}

absl::Status ClaimError(const absl::Status& status) {
  if (pg::SqlStateOf(status) != "23505") return status;
  return Error(absl::StatusCode::kAborted, "ORDER_CLAIMED_MEANWHILE",
               "one of the orders got a unit at the same time: repeat the call");
}

}  // namespace lockstep::catalog
