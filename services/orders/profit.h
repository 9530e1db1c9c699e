// What a sale earned: F1 to F7 of domain.md 1.3, in exact decimals, rounded once, half away from
// zero.
//
// Unknown stays unknown: a figure with an absent operand is absent. Pure.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/orders/order.h"

namespace lockstep::orders {

// What a unit cost.
struct Purchase {
  Money net;                        // F1, rounded: what products.inventory.purchase_price holds
  std::optional<Money> gross;       // with VAT, when known
  std::optional<Decimal> vat_rate;  // percent
  std::optional<absl::Time> bought_at;
};

// F1 from what was paid: gross / (1 + vat_rate / 100). `vat_rate` in percent, 0 when no VAT
// applies. INVALID_ARGUMENT: GROSS_BUY_NOT_POSITIVE, VAT_RATE_OUT_OF_RANGE (0..100).
[[nodiscard]] absl::StatusOr<Purchase> MakePurchase(const Money& gross, const Decimal& vat_rate,
                                                    std::optional<absl::Time> bought_at);
// F2.
[[nodiscard]] absl::StatusOr<Money> VatAmount(const Purchase& purchase);

// Fills the computed figures of `order` from its gross_sale, platform_fee, shipping_cost, sold_at
// and the purchase: net_proceeds when it is absent (F3), gross_profit (F4), net_profit (F5), roi
// (F6), shelf_life_days (F7). A purchase in another currency than the order's counts as unknown:
// currencies are never mixed.
//
// roi uses the unrounded net price where gross and rate are known, so it can differ by 0.01 from
// what the stored columns give. Errors, FAILED_PRECONDITION: SALE_BEFORE_PURCHASE, ROI_OUT_OF_RANGE
// (beyond +-9,999,999.99, what the column holds); INVALID_ARGUMENT (AMOUNT_OUT_OF_RANGE) for a
// figure that numeric(10,2) cannot hold.
[[nodiscard]] absl::StatusOr<Order> WithProfit(Order order,
                                               const std::optional<Purchase>& purchase);

// F3 alone.
[[nodiscard]] absl::StatusOr<std::optional<Money>> NetProceeds(
    const std::optional<Money>& gross_sale, const std::optional<Money>& platform_fee,
    const std::optional<Money>& shipping_cost);

}  // namespace lockstep::orders
