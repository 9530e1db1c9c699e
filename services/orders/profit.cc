#include "services/orders/profit.h"

#include <string_view>
#include <utility>

#include "common/money/limits.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"

namespace lockstep::orders {
namespace {

constexpr decimal::Rounding kRounding = decimal::Rounding::kHalfAwayFromZero;

absl::StatusOr<Money> NetOf(const Money& gross, const Decimal& vat_rate) {
  // gross * 100 / (100 + rate): one division, so one rounding.
  ASSIGN_OR_RETURN(Decimal hundredfold, decimal::Multiply(gross.ToDecimal(), Decimal(100)));
  ASSIGN_OR_RETURN(Decimal divisor, decimal::Add(Decimal(100), vat_rate));
  ASSIGN_OR_RETURN(Decimal net, decimal::Divide(hundredfold, divisor,
                                                gross.currency().minor_digits(), kRounding));
  return money::FromDecimal(net, gross.currency());
}

// Whether net is what gross and rate give: then the exact net price is known.
absl::StatusOr<bool> IsNetExact(const Purchase& purchase) {
  if (!purchase.gross.has_value() || !purchase.vat_rate.has_value()) return false;
  ASSIGN_OR_RETURN(Money net, NetOf(*purchase.gross, *purchase.vat_rate));
  return net == purchase.net;
}

// F6. The numerator is exact; the only rounding is the division's.
absl::StatusOr<std::optional<Decimal>> Roi(const Money& net_proceeds, const Purchase& purchase) {
  ASSIGN_OR_RETURN(bool is_exact, IsNetExact(purchase));
  // proceeds * factor / base - 100, with base = gross and factor = 100 + rate, or base = net and
  // factor = 100.
  const Decimal base = is_exact ? purchase.gross->ToDecimal() : purchase.net.ToDecimal();
  if (base.sign() <= 0) return std::optional<Decimal>();
  Decimal factor(100);
  if (is_exact) {
    ASSIGN_OR_RETURN(factor, decimal::Add(Decimal(100), *purchase.vat_rate));
  }
  ASSIGN_OR_RETURN(Decimal earned, decimal::Multiply(net_proceeds.ToDecimal(), factor));
  ASSIGN_OR_RETURN(Decimal spent, decimal::Multiply(base, Decimal(100)));
  ASSIGN_OR_RETURN(Decimal gained, decimal::Subtract(earned, spent));
  ASSIGN_OR_RETURN(Decimal roi, decimal::Divide(gained, base, 2, kRounding));
  return std::optional<Decimal>(roi);
}

absl::Status CheckRoi(const Decimal& roi) {
  static constexpr money::NumericType kRoiColumn{9, 2};
  if (money::CheckNumeric(roi, kRoiColumn, "roi").ok()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "ROI_OUT_OF_RANGE",
               "the return on the purchase price is beyond 9,999,999.99 percent: check the "
               "purchase price")
      .With("roi", roi.ToText());
}

absl::StatusOr<std::optional<Money>> Difference(const std::optional<Money>& from,
                                                const std::optional<Money>& what) {
  if (!from.has_value() || !what.has_value()) return std::optional<Money>();
  ASSIGN_OR_RETURN(Money difference, money::Subtract(*from, *what));
  return std::optional<Money>(difference);
}

absl::Status CheckColumn(const std::optional<Money>& amount, std::string_view field) {
  if (!amount.has_value()) return absl::OkStatus();
  return money::CheckNumeric(*amount, money::kNumeric10_2, field);
}

absl::StatusOr<std::optional<std::int32_t>> ShelfLife(const Order& order,
                                                      const std::optional<Purchase>& purchase) {
  if (!order.sold_at.has_value() || !purchase.has_value() || !purchase->bought_at.has_value()) {
    return std::optional<std::int32_t>();
  }
  const std::int64_t days =
      time::DaysBetween(time::DayOf(*purchase->bought_at), time::DayOf(*order.sold_at));
  if (days < 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "SALE_BEFORE_PURCHASE",
                 "the item was sold before it was bought: check both dates")
        .With("days", days);
  }
  return std::optional<std::int32_t>(static_cast<std::int32_t>(days));
}

}  // namespace

absl::StatusOr<Purchase> MakePurchase(const Money& gross, const Decimal& vat_rate,
                                      std::optional<absl::Time> bought_at) {
  if (gross.minor() <= 0) {
    return Error(absl::StatusCode::kInvalidArgument, "GROSS_BUY_NOT_POSITIVE",
                 "what was paid must be more than zero");
  }
  if (vat_rate.sign() < 0 || vat_rate > Decimal(100)) {
    return Error(absl::StatusCode::kInvalidArgument, "VAT_RATE_OUT_OF_RANGE",
                 "the VAT rate is a percentage from 0 to 100");
  }
  ASSIGN_OR_RETURN(Money net, NetOf(gross, vat_rate));
  return Purchase{.net = net, .gross = gross, .vat_rate = vat_rate, .bought_at = bought_at};
}

absl::StatusOr<Money> VatAmount(const Purchase& purchase) {
  if (!purchase.gross.has_value()) return Money::Zero(purchase.net.currency());
  return money::Subtract(*purchase.gross, purchase.net);
}

absl::StatusOr<std::optional<Money>> NetProceeds(const std::optional<Money>& gross_sale,
                                                 const std::optional<Money>& platform_fee,
                                                 const std::optional<Money>& shipping_cost) {
  ASSIGN_OR_RETURN(std::optional<Money> after_fee, Difference(gross_sale, platform_fee));
  return Difference(after_fee, shipping_cost);
}

absl::StatusOr<Order> WithProfit(Order order, const std::optional<Purchase>& purchase) {
  if (!order.net_proceeds.has_value()) {
    ASSIGN_OR_RETURN(order.net_proceeds,
                     NetProceeds(order.gross_sale, order.platform_fee, order.shipping_cost));
  }
  std::optional<Money> net_buy;
  if (purchase.has_value() && purchase->net.currency() == order.currency) net_buy = purchase->net;
  ASSIGN_OR_RETURN(order.gross_profit, Difference(order.gross_sale, net_buy));
  ASSIGN_OR_RETURN(order.net_profit, Difference(order.net_proceeds, net_buy));
  order.roi.reset();
  if (net_buy.has_value() && order.net_proceeds.has_value()) {
    ASSIGN_OR_RETURN(order.roi, Roi(*order.net_proceeds, *purchase));
    if (order.roi.has_value()) RETURN_IF_ERROR(CheckRoi(*order.roi));
  }
  ASSIGN_OR_RETURN(order.shelf_life_days, ShelfLife(order, purchase));
  RETURN_IF_ERROR(CheckColumn(order.net_proceeds, "net_proceeds"));
  RETURN_IF_ERROR(CheckColumn(order.gross_profit, "gross_profit"));
  RETURN_IF_ERROR(CheckColumn(order.net_profit, "net_profit"));
  return order;
}

}  // namespace lockstep::orders
