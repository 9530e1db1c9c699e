// What an import does with a sale whose order exists: nothing, an update, or a refusal. Pure.
//
// The report's payout replaces computed figures; what it says about price, fees, payout and
// destination wins over what is stored unless the stored order is newer. A seller report says that
// a sale was completed, never that a return or a dispute ended: it moves orders forward to
// completed and leaves every other status alone.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/orders/order.h"
#include "services/orders/profit.h"
#include "services/orders/reported_sale.h"

namespace lockstep::orders {

enum class MergeOutcome { kUpdated, kUnchanged, kSkipped };

struct Merge {
  MergeOutcome outcome = MergeOutcome::kUnchanged;
  Order after;
  // Column and former value (as SQL text, nullopt = NULL) of each figure that changes.
  std::vector<std::pair<std::string, std::optional<std::string>>> previous;
};

// Whether a seller report moves an order in this status to completed.
[[nodiscard]] bool IsCompletedByReport(OrderStatus status);

// `is_same_payload`: the stored order carries exactly this row already. `purchase` is that of the
// order's own item. Errors are FAILED_PRECONDITION, to be kept with the row: ORDER_CANCELLED,
// ORDER_OF_OTHER_PLATFORM, CURRENCY_CHANGED, SALE_BEFORE_PURCHASE, ROI_OUT_OF_RANGE.
[[nodiscard]] absl::StatusOr<Merge> MergeSale(const Order& stored, const ReportedSale& sale,
                                              std::string_view platform_slug, bool is_same_payload,
                                              const std::optional<Purchase>& purchase);

}  // namespace lockstep::orders
