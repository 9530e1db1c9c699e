#include "services/finance/expense_repository.h"

#include <optional>
#include <utility>

#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::finance {
namespace {

constexpr char kColumns[] =
    "e.id, e.description, e.amount, e.currency_code, e.expense_date, e.category,"
    " e.is_business_expense, e.order_id, m.legacy_transaction_id, e.notes, e.created_at";
// An order stands for one legacy sale at most.
constexpr char kFrom[] =
    "finance.expenses e"
    "  LEFT JOIN transactions.legacy_order_map m ON m.order_id = e.order_id";

absl::StatusOr<Expense> ExpenseFromRow(const pg::Row& row) {
  Expense expense;
  const std::string id = row.Text("id");
  ASSIGN_OR_RETURN(expense.id, ExpenseId::Parse(id));
  expense.description = row.Text("description");
  absl::StatusOr<Money> amount = money::ParseMoney(row.Text("amount"), row.Text("currency_code"));
  if (!amount.ok()) {
    return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN", "a stored amount cannot be read")
        .With("expense", id);
  }
  expense.amount = *amount;
  expense.expense_date = row.Get<absl::CivilDay>("expense_date");
  ASSIGN_OR_RETURN(expense.category, ExpenseCategoryFromText(row.Text("category")));
  expense.is_business_expense = row.Get<bool>("is_business_expense");
  if (!row.IsNull("order_id")) {
    ASSIGN_OR_RETURN(expense.order, OrderId::Parse(row.Text("order_id")));
  }
  if (!row.IsNull("legacy_transaction_id")) {
    ASSIGN_OR_RETURN(expense.transaction,
                     LegacyTransactionId::Parse(row.Text("legacy_transaction_id")));
  }
  expense.notes = row.OptionalText("notes");
  expense.created_at = row.Get<absl::Time>("created_at");
  return expense;
}

absl::StatusOr<Expense> ReadOne(pg::Tx& tx, const ExpenseId& id, const char* lock) {
  ASSIGN_OR_RETURN(
      std::optional<pg::Row> row,
      tx.Maybe(std::string("SELECT ") + kColumns + "  FROM " + kFrom + " WHERE e.id = $1" + lock,
               id.text()));
  if (!row.has_value()) {
    return Error(absl::StatusCode::kNotFound, "EXPENSE_NOT_FOUND", "there is no such expense")
        .With("expense", id.text());
  }
  return ExpenseFromRow(*row);
}

// The foreign key is the check: a look before the write could be outdated at the write.
absl::Status WriteStatus(const absl::StatusOr<std::int64_t>& written) {
  if (written.ok()) return absl::OkStatus();
  const std::optional<pg::Diagnostics> diagnostics = pg::DiagnosticsOf(written.status());
  if (diagnostics.has_value() && diagnostics->constraint == "expenses_order_id_fkey") {
    return InvalidField("expense.order", "ORDER_UNKNOWN", "there is no such order");
  }
  return written.status();
}

std::optional<std::string> OrderText(const Expense& expense) {
  if (!expense.order.has_value()) return std::nullopt;
  return expense.order->text();
}

}  // namespace

absl::StatusOr<Expense> GetExpense(pg::Tx& tx, const ExpenseId& id) { return ReadOne(tx, id, ""); }

absl::StatusOr<Expense> GetExpenseForUpdate(pg::Tx& tx, const ExpenseId& id) {
  return ReadOne(tx, id, " FOR UPDATE OF e");
}

absl::Status InsertExpense(pg::Tx& tx, const Expense& expense) {
  return WriteStatus(
      tx.Execute("INSERT INTO finance.expenses (id, description, amount, currency_code,"
                 " expense_date, category, is_business_expense, order_id, notes)"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                 expense.id.text(), expense.description, expense.amount.ToDecimalText(),
                 expense.amount.currency().code(), expense.expense_date, ToText(expense.category),
                 expense.is_business_expense, OrderText(expense), expense.notes));
}

absl::Status SaveExpense(pg::Tx& tx, const Expense& expense) {
  return WriteStatus(
      tx.Execute("UPDATE finance.expenses SET description = $2, amount = $3, currency_code = $4,"
                 " expense_date = $5, category = $6, is_business_expense = $7,"
                 " order_id = $8, notes = $9 WHERE id = $1",
                 expense.id.text(), expense.description, expense.amount.ToDecimalText(),
                 expense.amount.currency().code(), expense.expense_date, ToText(expense.category),
                 expense.is_business_expense, OrderText(expense), expense.notes));
}

absl::Status DeleteExpense(pg::Tx& tx, const ExpenseId& id) {
  return tx.Execute("DELETE FROM finance.expenses WHERE id = $1", id.text()).status();
}

const paging::ListSpec& ListExpensesSpec() {
  using enum filter::Type;
  static const auto& spec = *new paging::ListSpec{
      .method = "ListExpenses",
      .filter_fields = {{.name = "expense_date", .sql = "e.expense_date", .type = kDate},
                        {.name = "category",
                         .sql = "e.category",
                         .type = kEnum,
                         .values = ExpenseCategoryTexts(),
                         .normalise = filter::EnumName("EXPENSE_CATEGORY")},
                        {.name = "order",
                         .sql = "e.order_id",
                         .type = kUuid,
                         .normalise = filter::StripCollection("orders")},
                        {.name = "transaction",
                         .sql = "m.legacy_transaction_id",
                         .type = kUuid,
                         .normalise = filter::StripCollection("transactions")},
                        {.name = "is_business_expense",
                         .sql = "e.is_business_expense",
                         .type = kBool},
                        {.name = "amount", .sql = "e.amount", .type = kDecimal},
                        {.name = "currency_code", .sql = "e.currency_code::text", .type = kText},
                        {.name = "description", .sql = "e.description", .type = kText},
                        {.name = "created_at", .sql = "e.created_at", .type = kTime}},
      .sort_fields = {{.name = "expense_date", .sql = "e.expense_date", .type = kDate},
                      {.name = "amount", .sql = "e.amount", .type = kDecimal},
                      {.name = "created_at", .sql = "e.created_at", .type = kTime}},
      .key = {.name = "id", .sql = "e.id", .type = kUuid},
      .default_order_by = "expense_date desc"};
  return spec;
}

absl::StatusOr<ExpensePage> ListExpenses(pg::Tx& tx, const paging::ListQuery& query) {
  ASSIGN_OR_RETURN(pg::Result rows, tx.QueryList(query.Sql(kColumns, kFrom), query.Params()));
  ExpensePage page;
  const int count = query.PageRows(rows);
  page.expenses.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(Expense expense, ExpenseFromRow(rows[i]));
    page.expenses.push_back(std::move(expense));
  }
  page.next_page_token = query.NextPageToken(rows);
  return page;
}

}  // namespace lockstep::finance
