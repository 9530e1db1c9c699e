// The SQL of expenses.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/paging/list_query.h"
#include "common/pg/pool.h"
#include "services/finance/expense.h"

namespace lockstep::finance {

// NOT_FOUND (EXPENSE_NOT_FOUND).
[[nodiscard]] absl::StatusOr<Expense> GetExpense(pg::Tx& tx, const ExpenseId& id);
// The same, locked against other changes until the transaction ends.
[[nodiscard]] absl::StatusOr<Expense> GetExpenseForUpdate(pg::Tx& tx, const ExpenseId& id);

// created_at is made by the database. INVALID_ARGUMENT (TRANSACTION_UNKNOWN) on
// "expense.transaction" when the linked sale does not exist.
[[nodiscard]] absl::Status InsertExpense(pg::Tx& tx, const Expense& expense);
// Writes everything that can change. The same error.
[[nodiscard]] absl::Status SaveExpense(pg::Tx& tx, const Expense& expense);
// REQUIRES: it exists and is locked.
[[nodiscard]] absl::Status DeleteExpense(pg::Tx& tx, const ExpenseId& id);

[[nodiscard]] const paging::ListSpec& ListExpensesSpec();
struct ExpensePage {
  std::vector<Expense> expenses;
  std::string next_page_token;
};
[[nodiscard]] absl::StatusOr<ExpensePage> ListExpenses(pg::Tx& tx, const paging::ListQuery& query);

}  // namespace lockstep::finance
