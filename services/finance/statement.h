// Profit and loss: statements, one for each currency, from sums that the database made. Pure.
//
//   gross result = revenue - platform fees - shipping - cost of goods
//   net result   = gross result - expenses                                       (domain.md 6.10)
//
// Amounts of different currencies are never added (H-16). A sum over nothing is absent, and an
// absent line takes nothing away: what is not known is counted and reported instead (H-35).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/money/money.h"
#include "services/finance/expense.h"

namespace lockstep::finance {

// What purchases are in.
inline constexpr Currency kPurchaseCurrency = money::kEur;

// Days from `start` up to, not including, `end`, in UTC.
struct DayRange {
  absl::CivilDay start;
  absl::CivilDay end;
};
// INVALID_ARGUMENT (RANGE_EMPTY) on "end_date" unless `start` is before `end`.
[[nodiscard]] absl::Status CheckRange(const DayRange& range);

// Sales and returns of one currency in the range; returns count negative in every sum.
struct SalesSums {
  Currency currency = money::kEur;
  std::int64_t sale_count = 0;
  std::int64_t return_count = 0;
  std::optional<Money> revenue = {}, platform_fees = {}, shipping = {}, net_proceeds = {};
  std::optional<Money> cost_of_goods = {};  // in kPurchaseCurrency, whatever `currency` is
  // Sales and returns that have no such figure.
  std::int64_t missing_revenue = 0, missing_platform_fee = 0, missing_shipping = 0,
               missing_net_proceeds = 0, missing_cost = 0;
  std::optional<Money> open_payouts = {};
  std::int64_t open_payout_count = 0;
  std::int64_t unknown_payout_count = 0;
};

// Business expenses of one category and currency in the range.
struct ExpenseSum {
  ExpenseCategory category = ExpenseCategory::kOther;
  Money amount{money::kEur, 0};
  std::int64_t count = 0;
};

// VAT of what was bought in the range.
struct PurchaseVat {
  std::optional<Money> amount = {};  // in kPurchaseCurrency
  std::int64_t missing = 0;          // purchases without a verified figure
};

struct ReportSums {
  std::vector<SalesSums> sales = {};      // one for each currency
  std::vector<ExpenseSum> expenses = {};  // one for each currency and category
  PurchaseVat vat = {};
  std::vector<Money> cash_payouts = {};  // one for each currency
};

// The statement of one currency, which is that of `sales`.
struct Statement {
  SalesSums sales = {};  // cost_of_goods in the statement of kPurchaseCurrency only
  std::optional<Money> gross_result = {};
  std::optional<Money> expenses = {};  // without platform fees: the orders have them
  std::optional<Money> net_result = {};
  std::vector<ExpenseSum> expense_lines = {};  // by category, without platform fees
  std::optional<ExpenseSum> excluded_platform_fees = {};
  std::optional<Money> reclaimable_vat = {};
  std::int64_t missing_vat = 0;
  std::optional<Money> cash_payouts = {};

  const Currency& currency() const { return sales.currency; }
};

// By currency code; none when the range has nothing. OUT_OF_RANGE (MONEY_OVERFLOW).
[[nodiscard]] absl::StatusOr<std::vector<Statement>> MakeStatements(const ReportSums& sums);

// `sum` / `count`, rounded once to the minor unit; absent when `sum` is or `count` is 0.
[[nodiscard]] absl::StatusOr<std::optional<Money>> Mean(const std::optional<Money>& sum,
                                                        std::int64_t count);

}  // namespace lockstep::finance
