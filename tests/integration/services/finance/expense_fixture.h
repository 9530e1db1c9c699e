// Short ways to call ExpenseService.
#pragma once

#include <string>
#include <vector>

#include "tests/integration/services/finance/finance_server.h"

namespace lockstep::finance {

class ExpenseServiceTest : public FinanceServer {
 protected:
  // `fields` of the expense as JSON without its braces.
  absl::StatusOr<pb::Expense> Create(const std::string& fields,
                                     const std::string& request_id = "") {
    return Call(*expenses_, &pb::ExpenseService::Stub::CreateExpense,
                Parse<pb::CreateExpenseRequest>("{\"expense\": {" + fields +
                                                "}, \"requestId\": \"" + request_id + "\"}"));
  }

  // An expense in EUR.
  pb::Expense Made(const std::string& description, int cents, const std::string& day,
                   const std::string& more = "") {
    const auto made = Create(Fields(description, cents, day) + more);
    EXPECT_OK(made);
    return made.value_or(pb::Expense());
  }

  static std::string Fields(const std::string& description, int cents, const std::string& day) {
    return "\"description\": \"" + description +
           "\", \"amount\": {\"currencyCode\": \"EUR\", \"units\": \"" +
           std::to_string(cents / 100) +
           "\", \"nanos\": " + std::to_string(cents % 100 * 10'000'000) +
           "}, \"expenseDate\": " + "{\"year\": " + day.substr(0, 4) +
           ", \"month\": " + std::to_string(std::stoi(day.substr(5, 2))) +
           ", \"day\": " + std::to_string(std::stoi(day.substr(8, 2))) + "}";
  }

  absl::StatusOr<pb::Expense> Get(const std::string& name) {
    pb::GetExpenseRequest request;
    request.set_name(name);
    return Call(*expenses_, &pb::ExpenseService::Stub::GetExpense, request);
  }

  absl::StatusOr<pb::Expense> Update(const std::string& name, const std::string& json,
                                     const std::string& etag = "",
                                     const std::string& request_id = "") {
    auto request = Parse<pb::UpdateExpenseRequest>(json);
    request.mutable_expense()->set_name(name);
    request.mutable_expense()->set_etag(etag);
    request.set_request_id(request_id);
    return Call(*expenses_, &pb::ExpenseService::Stub::UpdateExpense, request);
  }

  absl::Status Delete(const std::string& name, const std::string& etag = "",
                      const std::string& request_id = "") {
    pb::DeleteExpenseRequest request;
    request.set_name(name);
    request.set_etag(etag);
    request.set_request_id(request_id);
    return Call(*expenses_, &pb::ExpenseService::Stub::DeleteExpense, request).status();
  }

  absl::StatusOr<pb::ListExpensesResponse> List(const std::string& filter,
                                                const std::string& order_by = "", int page_size = 0,
                                                const std::string& token = "") {
    pb::ListExpensesRequest request;
    request.set_filter(filter);
    request.set_order_by(order_by);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return Call(*expenses_, &pb::ExpenseService::Stub::ListExpenses, request);
  }

  // The descriptions of the first page.
  std::vector<std::string> Found(const std::string& filter, const std::string& order_by = "") {
    const auto page = List(filter, order_by);
    EXPECT_OK(page);
    std::vector<std::string> descriptions;
    if (page.ok()) {
      for (const pb::Expense& expense : page->expenses()) {
        descriptions.push_back(expense.description());
      }
    }
    return descriptions;
  }

  // A completed order.
  std::string NewOrder(const std::string& platform = "stockx") {
    return database_.QueryText(
        "WITH c AS (INSERT INTO products.categories (name, slug) VALUES ('Test', 'test')"
        "  ON CONFLICT (slug) DO UPDATE SET name = excluded.name RETURNING id),"
        " p AS (INSERT INTO products.products (sku, name, category_id)"
        "  SELECT 'L-' || gen_random_uuid(), 'Legacy Shoe', id FROM c RETURNING id),"
        " s AS (INSERT INTO products.sizes (value, region)"
        "  VALUES (left(gen_random_uuid()::text, 8), 'US') RETURNING id),"
        " i AS (INSERT INTO products.inventory (product_id, size_id)"
        "  SELECT p.id, s.id FROM p, s RETURNING id)"
        " INSERT INTO transactions.orders (inventory_item_id, platform_id, status, sold_at,"
        "  gross_sale) SELECT i.id, f.id, 'completed', '2024-01-05', 100 FROM i, core.platforms f"
        "  WHERE f.slug = '" +
        platform + "' RETURNING id");
  }
  // The legacy sale that `order` stands for.
  std::string NewLegacySaleOf(const std::string& order) {
    return database_.QueryText(
        "INSERT INTO transactions.legacy_order_map (legacy_transaction_id, order_id, match_kind)"
        " VALUES (gen_random_uuid(), '" +
        order + "', 'migrated') RETURNING legacy_transaction_id");
  }

  int Rows() { return std::stoi(database_.QueryText("SELECT count(*) FROM finance.expenses")); }
};

}  // namespace lockstep::finance
