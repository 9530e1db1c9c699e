#include "services/finance/statement.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::finance {
namespace {

// a + b where nothing is what is absent; absent only when both are.
absl::StatusOr<std::optional<Money>> Plus(const std::optional<Money>& a,
                                          const std::optional<Money>& b) {
  if (!a.has_value()) return b;
  if (!b.has_value()) return a;
  ASSIGN_OR_RETURN(Money sum, money::Add(*a, *b));
  return std::optional<Money>(sum);
}

absl::StatusOr<std::optional<Money>> Minus(const std::optional<Money>& a,
                                           const std::optional<Money>& b) {
  if (!b.has_value()) return a;
  ASSIGN_OR_RETURN(Money negative, money::Negate(*b));
  return Plus(a, negative);
}

absl::Status AddExpense(const ExpenseSum& sum, Statement& statement) {
  if (sum.category == ExpenseCategory::kPlatformFees) {
    statement.excluded_platform_fees = sum;
    return absl::OkStatus();
  }
  statement.expense_lines.push_back(sum);
  ASSIGN_OR_RETURN(statement.expenses, Plus(statement.expenses, sum.amount));
  return absl::OkStatus();
}

absl::Status AddResults(Statement& statement) {
  const SalesSums& sales = statement.sales;
  ASSIGN_OR_RETURN(std::optional<Money> result, Minus(sales.revenue, sales.platform_fees));
  ASSIGN_OR_RETURN(result, Minus(result, sales.shipping));
  ASSIGN_OR_RETURN(statement.gross_result, Minus(result, sales.cost_of_goods));
  ASSIGN_OR_RETURN(statement.net_result, Minus(statement.gross_result, statement.expenses));
  std::sort(statement.expense_lines.begin(), statement.expense_lines.end(),
            [](const ExpenseSum& a, const ExpenseSum& b) { return a.category < b.category; });
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRange(const DayRange& range) {
  if (range.start < range.end) return absl::OkStatus();
  return InvalidField("end_date", "RANGE_EMPTY",
                      "must be after start_date: it is the first day that does not count");
}

absl::StatusOr<std::vector<Statement>> MakeStatements(const ReportSums& sums) {
  std::map<std::string, Statement> statements;
  const auto of = [&statements](const Currency& currency) -> Statement& {
    Statement& statement = statements[currency.code()];
    statement.sales.currency = currency;
    return statement;
  };
  std::optional<Money> cost_of_goods;
  for (const SalesSums& sales : sums.sales) {
    Statement& statement = of(sales.currency);
    statement.sales = sales;
    statement.sales.cost_of_goods.reset();
    // Every cost counts once, in the currency in which it was paid.
    ASSIGN_OR_RETURN(cost_of_goods, Plus(cost_of_goods, sales.cost_of_goods));
  }
  if (cost_of_goods.has_value()) of(kPurchaseCurrency).sales.cost_of_goods = cost_of_goods;
  for (const ExpenseSum& expense : sums.expenses) {
    RETURN_IF_ERROR(AddExpense(expense, of(expense.amount.currency())));
  }
  if (sums.vat.amount.has_value() || sums.vat.missing > 0) {
    Statement& statement = of(kPurchaseCurrency);
    statement.reclaimable_vat = sums.vat.amount;
    statement.missing_vat = sums.vat.missing;
  }
  for (const Money& payout : sums.cash_payouts) of(payout.currency()).cash_payouts = payout;

  std::vector<Statement> ordered;
  for (auto& [code, statement] : statements) {
    RETURN_IF_ERROR(AddResults(statement));
    ordered.push_back(std::move(statement));
  }
  return ordered;
}

absl::StatusOr<std::optional<Money>> Mean(const std::optional<Money>& sum, std::int64_t count) {
  if (!sum.has_value() || count == 0) return std::optional<Money>();
  ASSIGN_OR_RETURN(Money mean, money::Divide(*sum, decimal::Decimal(count),
                                             decimal::Rounding::kHalfAwayFromZero));
  return std::optional<Money>(mean);
}

}  // namespace lockstep::finance
