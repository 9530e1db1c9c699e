#include "services/catalog/inventory_stats.h"

#include <optional>
#include <string>

#include "common/filter/filter.h"
#include "common/money/proto.h"
#include "common/status/macros.h"
#include "services/catalog/resource.h"

namespace lockstep::catalog {
namespace {

constexpr std::string_view kSelect =
    "SELECT count(*) AS total,"
    " count(*) FILTER (WHERE t.status = 'in_stock') AS in_stock,"
    " count(*) FILTER (WHERE t.status LIKE 'listed\\_%') AS listed,"
    " count(*) FILTER (WHERE t.status = 'reserved') AS reserved,"
    " count(*) FILTER (WHERE t.status = 'sold') AS sold,"
    " sum(t.purchase_price * (t.quantity - (SELECT count(*) FROM products.item_orders o"
    " WHERE o.inventory_item_id = t.id AND o.status = 'sold')))"
    " FILTER (WHERE t.status NOT IN ('sold', 'cancelled') AND t.purchase_price IS NOT NULL) AS "
    "value,"
    // numeric rounds half away from zero.
    " round(avg(t.purchase_price), 2) AS mean_price,"
    " count(*) FILTER (WHERE t.purchase_price IS NULL) AS without_price,"
    // A rate may be no more than the column's default (domain.md 3.7, H-13).
    " count(*) FILTER (WHERE t.vat_rate IS NOT NULL AND t.vat_amount IS NULL) AS unverified_vat"
    " FROM products.inventory t JOIN products.products p ON p.id = t.product_id WHERE ";

absl::Status SetMoney(const std::optional<std::string>& text, google::type::Money& out) {
  ASSIGN_OR_RETURN(const money::Money amount, money::ParseMoney(*text, money::kEur));
  out = money::ToProto(amount);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::InventoryStatsResponse> ComputeInventoryStats(
    pg::Pool& pool, const Context& context, const v1::InventoryStatsRequest& request) {
  ASSIGN_OR_RETURN(const filter::Filter parsed, filter::Parse(request.filter()));
  ASSIGN_OR_RETURN(const filter::Condition condition,
                   filter::Compile(parsed, ItemSpec().list.filter_fields));
  return pool.Read(context, [&](pg::Tx& tx) -> absl::StatusOr<v1::InventoryStatsResponse> {
    ASSIGN_OR_RETURN(const pg::Result rows,
                     tx.QueryList(std::string(kSelect) + condition.sql, condition.params));
    const pg::Row row = rows[0];
    v1::InventoryStatsResponse out;
    out.set_total_count(row.Get<std::int64_t>("total"));
    out.set_in_stock_count(row.Get<std::int64_t>("in_stock"));
    out.set_listed_count(row.Get<std::int64_t>("listed"));
    out.set_reserved_count(row.Get<std::int64_t>("reserved"));
    out.set_sold_count(row.Get<std::int64_t>("sold"));
    out.set_other_count(out.total_count() - out.in_stock_count() - out.listed_count() -
                        out.reserved_count() - out.sold_count());
    out.set_without_price_count(row.Get<std::int64_t>("without_price"));
    out.set_unverified_vat_count(row.Get<std::int64_t>("unverified_vat"));
    if (!row.IsNull("value")) {
      RETURN_IF_ERROR(SetMoney(row.OptionalText("value"), *out.mutable_value()));
    }
    if (!row.IsNull("mean_price")) {
      RETURN_IF_ERROR(SetMoney(row.OptionalText("mean_price"), *out.mutable_mean_purchase_price()));
    }
    return out;
  });
}

}  // namespace lockstep::catalog
