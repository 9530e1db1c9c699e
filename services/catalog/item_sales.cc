#include "services/catalog/item_sales.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/ids/resource_name.h"
#include "common/outbox/inbox.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"
#include "services/catalog/item_repository.h"
#include "services/catalog/order_key.h"
#include "services/catalog/plumbing.h"
#include "services/catalog/resource.h"
#include "services/catalog/sale_repository.h"

namespace lockstep::catalog {
namespace {

using ids::Uuid;

constexpr int kMaxSales = 500;

struct SaleRow {
  std::string event_id;  // lower case
  Uuid item_id;
  const v1::OrderKey* order = nullptr;
  absl::Time sold_at;
};

absl::StatusOr<std::vector<SaleRow>> RowsFromProto(const v1::MarkSoldRequest& request) {
  if (request.sales_size() < 1 || request.sales_size() > kMaxSales) {
    return InvalidField("sales", "SALES_OUT_OF_RANGE", "1 to 500 sales in one call");
  }
  Violations bad;
  std::vector<SaleRow> rows;
  std::set<std::string> seen;
  for (int i = 0; i < request.sales_size(); ++i) {
    const v1::ItemSale& sale = request.sales(i);
    const std::string path = "sales[" + std::to_string(i) + "]";
    const auto event_id = Uuid::Parse(sale.event_id());
    if (!event_id.ok()) bad.Add(path + ".event_id", "UUID_MALFORMED", "a UUID");
    const auto item_id =
        ids::UuidFromName(sale.inventory_item(), Items().name, path + ".inventory_item");
    bad.Add(item_id.status(), path + ".inventory_item");
    const auto sold_at = time::FromProto(sale.sold_at(), path + ".sold_at");
    bad.Add(sold_at.status(), path + ".sold_at");
    CheckOrderKey(sale.order(), path + ".order", bad);
    rows.push_back({event_id.value_or(Uuid()).text(), item_id.value_or(Uuid()), &sale.order(),
                    sold_at.value_or(absl::UnixEpoch())});
    if (event_id.ok() && !seen.insert(rows.back().event_id).second) {
      bad.Add(path + ".event_id", "EVENT_REPEATED", "each event once in a call");
    }
  }
  RETURN_IF_ERROR(bad.ToStatus());
  return rows;
}

// An item that is sold is not offered any more on the platforms that sold its units
// (domain.md 6.3).
absl::Status CloseListings(pg::Tx& tx, const std::vector<std::string>& items) {
  if (items.empty()) return absl::OkStatus();
  return tx
      .Execute(
          "UPDATE products.listings l SET status = 'sold', updated_at = now()"
          " WHERE l.inventory_item_id = ANY($1::uuid[]) AND l.status IN ('active', 'inactive')"
          " AND EXISTS (SELECT FROM products.inventory i WHERE i.id = l.inventory_item_id"
          "  AND i.status = 'sold')"
          " AND EXISTS (SELECT FROM products.item_orders o WHERE o.inventory_item_id ="
          "  l.inventory_item_id AND o.platform_id = l.platform_id AND o.status = 'sold')",
          pg::ArrayLiteral(items))
      .status();
}

absl::StatusOr<v1::MarkSoldResponse> Apply(pg::Tx& tx, const std::vector<SaleRow>& rows) {
  std::vector<std::string> event_ids;
  std::set<std::string> slugs;
  for (const SaleRow& row : rows) {
    event_ids.push_back(row.event_id);
    if (std::string slug = PlatformSlugOf(*row.order); !slug.empty()) slugs.insert(slug);
  }
  ASSIGN_OR_RETURN(const std::set<std::string> fresh,
                   outbox::ClaimMany(tx, kPlumbing.inbox, event_ids, "orders"));
  std::map<std::string, Uuid> platforms;
  if (!slugs.empty()) {
    ASSIGN_OR_RETURN(platforms, FindPlatforms(tx, slugs));
  }
  std::vector<Uuid> items;
  std::vector<OrderRef> orders;
  for (const SaleRow& row : rows) {
    if (!fresh.contains(row.event_id)) continue;
    items.push_back(row.item_id);
    absl::StatusOr<OrderRef> order = OrderRefOf(*row.order, platforms);
    if (order.ok()) orders.push_back(*std::move(order));
  }
  ASSIGN_OR_RETURN(ItemLedger ledger, LoadLedger(tx, items, orders));

  v1::MarkSoldResponse response;
  std::vector<std::string> failed;
  std::vector<std::string> applied;
  for (const SaleRow& row : rows) {
    v1::MarkSoldResult& result = *response.add_results();
    result.set_event_id(row.event_id);
    if (!fresh.contains(row.event_id)) {
      result.set_was_applied_before(true);
      continue;
    }
    const absl::StatusOr<OrderRef> order = OrderRefOf(*row.order, platforms);
    const absl::StatusOr<bool> sold =
        order.ok() ? ledger.MarkSold(row.item_id, *order, row.sold_at) : order.status();
    if (sold.ok()) {
      result.set_was_applied_before(!*sold);
      applied.push_back(row.item_id.text());
    } else {
      *result.mutable_status() = rpc::ToProto(sold.status(), "catalog.lockstep", "");
      failed.push_back(row.event_id);
    }
  }
  RETURN_IF_ERROR(SaveLedger(tx, ledger));
  RETURN_IF_ERROR(CloseListings(tx, applied));
  // A row that failed changed nothing and may be sent again.
  if (!failed.empty()) {
    RETURN_IF_ERROR(tx.Execute("DELETE FROM core.inbox WHERE event_id = ANY($1::uuid[])",
                               pg::ArrayLiteral(failed))
                        .status());
  }
  return response;
}

}  // namespace

absl::StatusOr<v1::MarkSoldResponse> MarkItemsSold(pg::Pool& pool, const Context& context,
                                                   const v1::MarkSoldRequest& request) {
  ASSIGN_OR_RETURN(const std::vector<SaleRow> rows, RowsFromProto(request));
  return pool.Write(context, [&](pg::Tx& tx) { return Apply(tx, rows); });
}

}  // namespace lockstep::catalog
