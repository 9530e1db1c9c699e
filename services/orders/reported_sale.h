// One sale as a marketplace's report tells it, whatever the format: what an import turns into an
// order, or into a record in quarantine with its reasons. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/orders/order.h"

namespace lockstep::orders {

// How price, fees, shipping and payout add up.
enum class FeeItemisation {
  kExact,       // to the cent
  kRounded,     // one minor unit off: the platform rounds its parts
  kUnitemised,  // further off: a part is missing
};
[[nodiscard]] std::string_view ToText(FeeItemisation itemisation);

// One reason for quarantine.
struct Problem {
  std::string reason;   // UPPER_SNAKE_CASE
  std::string column;   // of the report; empty when it is about the whole row
  std::string message;  // for people

  friend bool operator==(const Problem&, const Problem&) = default;
};
// The problem that a status of the domain describes.
[[nodiscard]] Problem ProblemFrom(const absl::Status& status, std::string_view column);

struct ReportedSale {
  std::string external_id;
  std::string platform_number;  // without the platform's prefix
  std::optional<std::string> inventory_type;

  // For finding the item; as reported, empty when not known.
  std::string item_name;
  std::string sku;
  std::string size_text;

  absl::Time sold_at;
  std::optional<absl::Time> payout_date;
  // When the platform last changed the sale, as far as the report tells.
  absl::Time reported_at;

  Money gross_sale;
  Money platform_fee;  // gross_sale - shipping_cost - net_proceeds: the payout is authoritative
  Money shipping_cost;
  Money net_proceeds;  // the payout

  std::optional<std::string> country;
  std::optional<std::string> city;
  std::string reference;  // of the payout

  FeeItemisation itemisation = FeeItemisation::kExact;
  Money residual;  // gross_sale - all itemised parts - net_proceeds
};

// One row of a report after mapping: a sale, or problems.
struct ReportRow {
  std::int64_t line = 0;
  std::string external_id;  // empty when the row has no usable order number
  std::string payload;      // JSON object of the columns without personal data
  std::optional<ReportedSale> sale;
  std::vector<Problem> problems;  // not empty exactly when there is no sale
};

// The sale as a new, completed order of item `item`, without profit figures. `id` is the order's
// new id.
[[nodiscard]] Order NewOrder(const ReportedSale& sale, std::string_view platform_slug, OrderId id,
                             InventoryItemId item);

}  // namespace lockstep::orders
