// Lists, streams and sums over orders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/paging/list_query.h"
#include "common/pg/pool.h"
#include "services/orders/order.h"
#include "services/orders/order_repository.h"

namespace lockstep::orders {

// INVALID_ARGUMENT (PLATFORM_UNKNOWN) when `filter` asks for a platform that does not exist: no
// orders of it would look like an answer. REQUIRES: `filter` parses.
[[nodiscard]] absl::Status CheckPlatforms(pg::Tx& tx, std::string_view filter);

// What ListOrders and StreamOrders allow. `method` is what page tokens are bound to.
[[nodiscard]] const paging::ListSpec& ListOrdersSpec();
[[nodiscard]] const paging::ListSpec& StreamOrdersSpec();
[[nodiscard]] const paging::ListSpec& ListOrderEventsSpec();

struct OrderPage {
  std::vector<Order> orders;
  std::string next_page_token;
};
[[nodiscard]] absl::StatusOr<OrderPage> ListOrders(pg::Tx& tx, const paging::ListQuery& query);

struct EventPage {
  std::vector<OrderEvent> events;
  std::string next_page_token;
};
// `query` was made with first_parameter 2. NOT_FOUND (ORDER_NOT_FOUND).
[[nodiscard]] absl::StatusOr<EventPage> ListEvents(pg::Tx& tx, const OrderId& order,
                                                   const paging::ListQuery& query);

// Sums of one currency and group. A sum over no value is absent.
struct Summary {
  std::vector<std::optional<std::string>> group;  // one for each field of group_by
  Currency currency = money::kEur;
  std::int64_t order_count = 0;
  std::optional<Money> gross_sale, platform_fee, shipping_cost, net_proceeds, net_profit;
  std::optional<std::string> mean_roi;  // percent, 2 digits
  std::int64_t missing_gross_sale = 0, missing_platform_fee = 0, missing_shipping_cost = 0,
               missing_net_proceeds = 0, missing_net_profit = 0, missing_roi = 0;
};

// A checked SummarizeOrders: the SQL of its sums.
class SummaryQuery {
 public:
  // INVALID_ARGUMENT on "filter" or "group_by" (GROUP_FIELD_UNKNOWN, GROUP_FIELD_REPEATED).
  [[nodiscard]] static absl::StatusOr<SummaryQuery> Make(std::string_view filter,
                                                         const std::vector<std::string>& group_by);
  const std::vector<std::string>& group_by() const { return group_by_; }

  // One for each currency. OUT_OF_RANGE when a sum does not fit.
  [[nodiscard]] absl::StatusOr<std::vector<Summary>> Totals(pg::Tx& tx) const;
  // One for each group and currency; none without group_by.
  [[nodiscard]] absl::StatusOr<std::vector<Summary>> Groups(pg::Tx& tx) const;

 private:
  [[nodiscard]] absl::StatusOr<std::vector<Summary>> Run(
      pg::Tx& tx, const std::vector<std::string>& keys) const;

  std::vector<std::string> group_by_;
  std::vector<std::string> group_sql_;
  filter::Condition condition_;
  bool needs_items_ = false;
};

}  // namespace lockstep::orders
