#include "services/orders/merge.h"

#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"

namespace lockstep::orders {
namespace {

std::optional<std::string> SqlText(const std::optional<Money>& value) {
  if (!value.has_value()) return std::nullopt;
  return value->ToDecimalText();
}
std::optional<std::string> SqlText(const std::optional<Decimal>& value) {
  if (!value.has_value()) return std::nullopt;
  return value->ToText();
}
std::optional<std::string> SqlText(const std::optional<absl::Time>& value) {
  if (!value.has_value()) return std::nullopt;
  return time::FormatRfc3339(*value);
}
std::optional<std::string> SqlText(const std::optional<std::string>& value) { return value; }
std::optional<std::string> SqlText(const std::optional<bool>& value) {
  if (!value.has_value()) return std::nullopt;
  return *value ? "true" : "false";
}
std::optional<std::string> SqlText(const std::optional<std::int32_t>& value) {
  if (!value.has_value()) return std::nullopt;
  return std::to_string(*value);
}

// Notes the columns in which `before` and `after` differ.
class Differences {
 public:
  explicit Differences(Merge& merge) : merge_(merge) {}

  template <typename T>
  void Compare(const char* column, const std::optional<T>& before, const std::optional<T>& after) {
    if (before == after) return;
    merge_.previous.emplace_back(column, SqlText(before));
  }

 private:
  Merge& merge_;
};

void NoteDifferences(const Order& stored, Merge& merge) {
  const Order& after = merge.after;
  Differences differences(merge);
  differences.Compare("external_id", stored.external_id, after.external_id);
  differences.Compare("stockx_order_number", stored.stockx_order_number, after.stockx_order_number);
  differences.Compare("amount", stored.amount, after.amount);
  differences.Compare("inventory_type", stored.inventory_type, after.inventory_type);
  differences.Compare("stockx_created_at", stored.platform_created_at, after.platform_created_at);
  differences.Compare("last_stockx_updated_at", stored.platform_updated_at,
                      after.platform_updated_at);
  differences.Compare("sold_at", stored.sold_at, after.sold_at);
  differences.Compare("gross_sale", stored.gross_sale, after.gross_sale);
  differences.Compare("platform_fee", stored.platform_fee, after.platform_fee);
  differences.Compare("shipping_cost", stored.shipping_cost, after.shipping_cost);
  differences.Compare("net_proceeds", stored.net_proceeds, after.net_proceeds);
  differences.Compare("gross_profit", stored.gross_profit, after.gross_profit);
  differences.Compare("net_profit", stored.net_profit, after.net_profit);
  differences.Compare("roi", stored.roi, after.roi);
  differences.Compare("shelf_life_days", stored.shelf_life_days, after.shelf_life_days);
  differences.Compare("payout_received", stored.payout_received, after.payout_received);
  differences.Compare("payout_date", stored.payout_date, after.payout_date);
  differences.Compare("buyer_destination_country", stored.buyer_destination_country,
                      after.buyer_destination_country);
  differences.Compare("buyer_destination_city", stored.buyer_destination_city,
                      after.buyer_destination_city);
}

absl::Status CheckMergeable(const Order& stored, const ReportedSale& sale,
                            std::string_view platform_slug) {
  const auto refuse = [&](const char* reason, const char* message) -> absl::Status {
    return Error(absl::StatusCode::kFailedPrecondition, reason, message)
        .With("order", stored.id.text());
  };
  if (stored.platform_slug != platform_slug) {
    return refuse("ORDER_OF_OTHER_PLATFORM",
                  "an order of another platform has this StockX order number");
  }
  if (stored.status == OrderStatus::kCancelled) {
    return refuse("ORDER_CANCELLED", "the report has a payout for an order that is cancelled here");
  }
  if (stored.currency != sale.gross_sale.currency()) {
    return refuse("CURRENCY_CHANGED", "the stored order is in another currency");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsCompletedByReport(OrderStatus status) {
  return status != OrderStatus::kDisputed && CanImportMove(status, OrderStatus::kCompleted);
}

absl::StatusOr<Merge> MergeSale(const Order& stored, const ReportedSale& sale,
                                std::string_view platform_slug, bool is_same_payload,
                                const std::optional<Purchase>& purchase) {
  RETURN_IF_ERROR(CheckMergeable(stored, sale, platform_slug));
  Merge merge{.outcome = MergeOutcome::kUnchanged, .after = stored, .previous = {}};
  if (stored.platform_updated_at.has_value() && *stored.platform_updated_at > sale.reported_at) {
    merge.outcome = MergeOutcome::kSkipped;
    return merge;
  }
  // What the report says, laid over the stored order: the same construction as for a new one, so
  // that a second import of the same row finds nothing to change.
  const Order reported = NewOrder(sale, platform_slug, stored.id, stored.inventory_item_id);
  Order& after = merge.after;
  after.external_id = reported.external_id;
  after.stockx_order_number = reported.stockx_order_number;
  if (IsCompletedByReport(stored.status)) after.status = OrderStatus::kCompleted;
  after.amount = reported.amount;
  if (reported.inventory_type.has_value()) after.inventory_type = reported.inventory_type;
  after.platform_created_at = reported.platform_created_at;
  after.platform_updated_at = reported.platform_updated_at;
  after.sold_at = reported.sold_at;
  after.gross_sale = reported.gross_sale;
  after.platform_fee = reported.platform_fee;
  after.shipping_cost = reported.shipping_cost;
  after.net_proceeds = reported.net_proceeds;
  if (reported.payout_date.has_value()) {
    after.payout_received = true;
    after.payout_date = reported.payout_date;
  }
  if (reported.buyer_destination_country.has_value()) {
    after.buyer_destination_country = reported.buyer_destination_country;
  }
  if (reported.buyer_destination_city.has_value()) {
    after.buyer_destination_city = reported.buyer_destination_city;
  }
  ASSIGN_OR_RETURN(after, WithProfit(std::move(after), purchase));

  NoteDifferences(stored, merge);
  if (!merge.previous.empty() || !is_same_payload || stored.status != after.status) {
    merge.outcome = MergeOutcome::kUpdated;
  }
  return merge;
}

}  // namespace lockstep::orders
