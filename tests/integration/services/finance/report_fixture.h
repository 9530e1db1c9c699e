// Sales, purchases and expenses as other services leave them, and short ways to ask ReportService.
#pragma once

#include <map>
#include <string>

#include "tests/integration/services/finance/finance_server.h"

namespace lockstep::finance {

// The parts of one order as SQL; NULL where nothing is said.
struct Sale {
  std::string sold_at;  // '2024-05-10T12:00:00Z' without quotes; empty: NULL
  std::string gross = "NULL", fee = "NULL", shipping = "NULL", proceeds = "NULL", cost = "NULL";
  std::string currency = "'EUR'";
  std::string status = "completed";
  std::string platform = "stockx";
  std::string payout_received = "true";
  std::string net_profit = "NULL";
};

class ReportServiceTest : public FinanceServer {
 protected:
  ReportServiceTest() {
    database_.Execute(
        "INSERT INTO products.categories (name, slug) VALUES ('Test', 'test');"
        "INSERT INTO products.products (sku, name, category_id) SELECT 'TEST-1', 'Test Shoe', id"
        "  FROM products.categories WHERE slug = 'test';"
        "INSERT INTO products.sizes (value, region) VALUES ('77.5', 'US');");
  }

  std::string NewItem(const std::string& columns, const std::string& values) {
    return database_.QueryText(
        "INSERT INTO products.inventory (product_id, size_id, " + columns +
        ") SELECT p.id, s.id, " + values +
        "  FROM products.products p, products.sizes s WHERE p.sku = 'TEST-1' AND s.value = '77.5'"
        " RETURNING id");
  }

  // Returns the id of the order.
  std::string Sell(const Sale& sale) {
    const std::string item = NewItem("purchase_price", sale.cost);
    const std::string sold_at = sale.sold_at.empty() ? "NULL" : "'" + sale.sold_at + "'";
    return database_.QueryText(
        "INSERT INTO transactions.orders (platform_id, inventory_item_id, status, currency_code,"
        " sold_at, gross_sale, platform_fee, shipping_cost, net_proceeds, net_profit,"
        " payout_received) SELECT id, '" +
        item + "', '" + sale.status + "', " + sale.currency + ", " + sold_at + ", " + sale.gross +
        ", " + sale.fee + ", " + sale.shipping + ", " + sale.proceeds + ", " + sale.net_profit +
        ", " + sale.payout_received + " FROM core.platforms WHERE slug = '" + sale.platform +
        "' RETURNING id");
  }

  // Writes an event as orders does.
  void Event(const std::string& order, const std::string& from, const std::string& to,
             const std::string& at) {
    database_.Execute(
        "INSERT INTO transactions.order_events (order_id, kind, from_status, to_status, at)"
        " VALUES ('" +
        order + "', 'transitioned', " + from + ", " + to + ", '" + at + "')");
  }

  void Spend(const std::string& amount, const std::string& day, const std::string& category,
             const std::string& more_columns = "", const std::string& more_values = "") {
    database_.Execute("INSERT INTO finance.expenses (description, amount, expense_date, category" +
                      more_columns + ") VALUES ('e', " + amount + ", '" + day + "', '" + category +
                      "'" + more_values + ")");
  }

  static void SetDay(google::type::Date& date, absl::CivilDay day) {
    date.set_year(static_cast<int>(day.year()));
    date.set_month(day.month());
    date.set_day(day.day());
  }

  absl::StatusOr<pb::ProfitAndLossResponse> ProfitAndLoss(absl::CivilDay start, absl::CivilDay end,
                                                          const std::string& platform = "") {
    pb::ProfitAndLossRequest request;
    SetDay(*request.mutable_start_date(), start);
    SetDay(*request.mutable_end_date(), end);
    request.set_platform(platform);
    return Call(*reports_, &pb::ReportService::Stub::ProfitAndLoss, request);
  }

  // The statements of one month of 2024 by currency.
  std::map<std::string, pb::ProfitAndLossStatement> Month(int month,
                                                          const std::string& platform = "") {
    const absl::CivilMonth first(2024, month);
    const auto answer = ProfitAndLoss(absl::CivilDay(first), absl::CivilDay(first + 1), platform);
    EXPECT_OK(answer);
    std::map<std::string, pb::ProfitAndLossStatement> statements;
    if (answer.ok()) {
      for (const pb::ProfitAndLossStatement& statement : answer->statements()) {
        statements[statement.currency_code()] = statement;
      }
    }
    return statements;
  }

  absl::StatusOr<pb::PlatformPerformanceResponse> Performance(const std::string& json = "{}") {
    return Call(*reports_, &pb::ReportService::Stub::PlatformPerformance,
                Parse<pb::PlatformPerformanceRequest>(json));
  }
};

#define EXPECT_AMOUNT(message, field, text) \
  EXPECT_EQ(AmountText((message).has_##field(), (message).field()), text)

}  // namespace lockstep::finance
