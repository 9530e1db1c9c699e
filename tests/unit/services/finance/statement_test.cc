#include "services/finance/statement.h"

#include <limits>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::finance {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOk;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

constexpr Money Eur(std::int64_t cents) { return Money(money::kEur, cents); }
constexpr Money Usd(std::int64_t cents) { return Money(money::kUsd, cents); }
constexpr Money Jpy(std::int64_t yen) { return Money(money::kJpy, yen); }

SalesSums EurSales() {
  SalesSums sales;
  sales.currency = money::kEur;
  sales.sale_count = 2;
  sales.revenue = Eur(30'000);
  sales.platform_fees = Eur(2'850);
  sales.shipping = Eur(700);
  sales.cost_of_goods = Eur(18'000);
  return sales;
}

ExpenseSum Spent(ExpenseCategory category, Money amount, std::int64_t count = 1) {
  return {.category = category, .amount = amount, .count = count};
}

TEST(DayRange, MustHaveADay) {
  EXPECT_THAT(CheckRange({absl::CivilDay(2024, 1, 1), absl::CivilDay(2024, 1, 2)}), IsOk());
  for (const int day : {1, 2}) {
    EXPECT_THAT(CheckRange({absl::CivilDay(2024, 1, 2), absl::CivilDay(2024, 1, day)}),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("RANGE_EMPTY")));
    EXPECT_THAT(CheckRange({absl::CivilDay(2024, 1, 2), absl::CivilDay(2024, 1, day)}),
                HasField("end_date"));
  }
}

TEST(Statements, AddUpToGrossAndNetResult) {
  ASSERT_OK_AND_ASSIGN(std::vector<Statement> statements,
                       MakeStatements({.sales = {EurSales()},
                                       .expenses = {Spent(ExpenseCategory::kTravel, Eur(1'000), 2),
                                                    Spent(ExpenseCategory::kShipping, Eur(450))}}));

  ASSERT_EQ(statements.size(), 1U);
  const Statement& eur = statements[0];
  EXPECT_EQ(eur.gross_result, Eur(30'000 - 2'850 - 700 - 18'000));
  EXPECT_EQ(eur.expenses, Eur(1'450));
  EXPECT_EQ(eur.net_result, Eur(8'450 - 1'450));
  ASSERT_EQ(eur.expense_lines.size(), 2U);
  EXPECT_EQ(eur.expense_lines[0].category, ExpenseCategory::kShipping);
  EXPECT_EQ(eur.expense_lines[1].count, 2);
}

TEST(Statements, ThereAreNoneWithoutData) {
  EXPECT_THAT(MakeStatements({}), IsOkAndHolds(::testing::IsEmpty()));
}

TEST(Statements, AbsentLinesStayAbsentAndTakeNothingAway) {
  SalesSums sales;
  sales.sale_count = 1;
  sales.revenue = Eur(10'000);
  sales.missing_platform_fee = sales.missing_shipping = sales.missing_cost = 1;

  ASSERT_OK_AND_ASSIGN(std::vector<Statement> statements, MakeStatements({.sales = {sales}}));

  ASSERT_EQ(statements.size(), 1U);
  EXPECT_EQ(statements[0].gross_result, Eur(10'000));
  EXPECT_EQ(statements[0].net_result, Eur(10'000));
  EXPECT_EQ(statements[0].sales.platform_fees, std::nullopt);
  EXPECT_EQ(statements[0].sales.cost_of_goods, std::nullopt);
  EXPECT_EQ(statements[0].expenses, std::nullopt);
  EXPECT_EQ(statements[0].sales.missing_cost, 1);
}

TEST(Statements, OfSalesWithoutAnyFigureHaveNoResult) {
  SalesSums sales;
  sales.sale_count = sales.missing_revenue = 1;

  ASSERT_OK_AND_ASSIGN(std::vector<Statement> statements, MakeStatements({.sales = {sales}}));

  ASSERT_EQ(statements.size(), 1U);
  EXPECT_EQ(statements[0].gross_result, std::nullopt);
  EXPECT_EQ(statements[0].net_result, std::nullopt);
}

TEST(Statements, ExpensesAloneAreALoss) {
  ASSERT_OK_AND_ASSIGN(std::vector<Statement> statements,
                       MakeStatements({.expenses = {Spent(ExpenseCategory::kTax, Eur(5'000))}}));

  ASSERT_EQ(statements.size(), 1U);
  EXPECT_EQ(statements[0].gross_result, std::nullopt);
  EXPECT_EQ(statements[0].net_result, Eur(-5'000));
}

TEST(Statements, PlatformFeesAreNotTakenAwayTwice) {
  ASSERT_OK_AND_ASSIGN(
      std::vector<Statement> statements,
      MakeStatements({.sales = {EurSales()},
                      .expenses = {Spent(ExpenseCategory::kPlatformFees, Eur(2'850), 2),
                                   Spent(ExpenseCategory::kOther, Eur(100))}}));

  ASSERT_EQ(statements.size(), 1U);
  EXPECT_EQ(statements[0].expenses, Eur(100));
  EXPECT_EQ(statements[0].net_result, Eur(8'350));
  ASSERT_TRUE(statements[0].excluded_platform_fees.has_value());
  EXPECT_EQ(statements[0].excluded_platform_fees->amount, Eur(2'850));
  EXPECT_EQ(statements[0].excluded_platform_fees->count, 2);
  EXPECT_EQ(statements[0].expense_lines.size(), 1U);
}

TEST(Statements, CurrenciesAreNeverAdded) {
  SalesSums usd;
  usd.currency = money::kUsd;
  usd.sale_count = 1;
  usd.revenue = Usd(20'000);
  usd.cost_of_goods = Eur(4'000);

  ASSERT_OK_AND_ASSIGN(std::vector<Statement> statements,
                       MakeStatements({.sales = {usd, EurSales()},
                                       .expenses = {Spent(ExpenseCategory::kOther, Usd(500)),
                                                    Spent(ExpenseCategory::kOther, Jpy(900))},
                                       .cash_payouts = {Usd(18'000)}}));

  ASSERT_EQ(statements.size(), 3U);
  EXPECT_EQ(statements[0].currency(), money::kEur);
  EXPECT_EQ(statements[0].sales.revenue, Eur(30'000));
  // What was paid in euros is a cost in euros, whatever the sale brought.
  EXPECT_EQ(statements[0].sales.cost_of_goods, Eur(22'000));
  EXPECT_EQ(statements[0].net_result, Eur(30'000 - 2'850 - 700 - 22'000));
  EXPECT_EQ(statements[1].currency(), money::kJpy);
  EXPECT_EQ(statements[1].net_result, Jpy(-900));
  EXPECT_EQ(statements[2].currency(), money::kUsd);
  EXPECT_EQ(statements[2].sales.cost_of_goods, std::nullopt);
  EXPECT_EQ(statements[2].net_result, Usd(19'500));
  EXPECT_EQ(statements[2].cash_payouts, Usd(18'000));
}

TEST(Statements, CostOfForeignSalesMakesAStatementOfItsOwn) {
  SalesSums usd;
  usd.currency = money::kUsd;
  usd.revenue = Usd(20'000);
  usd.cost_of_goods = Eur(4'000);

  ASSERT_OK_AND_ASSIGN(std::vector<Statement> statements, MakeStatements({.sales = {usd}}));

  ASSERT_EQ(statements.size(), 2U);
  EXPECT_EQ(statements[0].currency(), money::kEur);
  EXPECT_EQ(statements[0].gross_result, Eur(-4'000));
  EXPECT_EQ(statements[1].gross_result, Usd(20'000));
}

TEST(Statements, VatIsAMemoInEuros) {
  ASSERT_OK_AND_ASSIGN(std::vector<Statement> statements,
                       MakeStatements({.vat = {.amount = Eur(1'900), .missing = 3}}));

  ASSERT_EQ(statements.size(), 1U);
  EXPECT_EQ(statements[0].currency(), money::kEur);
  EXPECT_EQ(statements[0].reclaimable_vat, Eur(1'900));
  EXPECT_EQ(statements[0].missing_vat, 3);
  EXPECT_EQ(statements[0].net_result, std::nullopt);
}

TEST(Statements, SayWhenASumDoesNotFit) {
  SalesSums sales;
  sales.revenue = Eur(std::numeric_limits<std::int64_t>::max());
  sales.shipping = Eur(-1);

  EXPECT_THAT(MakeStatements({.sales = {sales}}),
              StatusIs(absl::StatusCode::kOutOfRange, Reason("MONEY_OVERFLOW")));
}

TEST(Mean, RoundsHalfAwayFromZeroToTheMinorUnit) {
  EXPECT_THAT(Mean(Eur(5), 2), IsOkAndHolds(Eur(3)));
  EXPECT_THAT(Mean(Eur(-5), 2), IsOkAndHolds(Eur(-3)));
  EXPECT_THAT(Mean(Jpy(100), 3), IsOkAndHolds(Jpy(33)));
  EXPECT_THAT(Mean(std::nullopt, 3), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(Mean(Eur(5), 0), IsOkAndHolds(std::nullopt));
}

}  // namespace
}  // namespace lockstep::finance
