// ReportService over a real database. Every figure that is expected here was added up by hand.
#include <map>

#include "tests/integration/services/finance/report_fixture.h"

namespace lockstep::finance {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

TEST_F(ReportServiceTest, AddsUpEveryLine) {
  Sell({.sold_at = "2024-05-01T00:00:00Z",
        .gross = "120.00",
        .fee = "11.40",
        .shipping = "3.50",
        .proceeds = "105.10",
        .cost = "70.25"});
  Sell({.sold_at = "2024-05-31T23:59:59.999999Z",
        .gross = "80.01",
        .fee = "7.61",
        .shipping = "-0.07",
        .proceeds = "72.47",
        .cost = "50.00",
        .payout_received = "false"});
  Sell({.sold_at = "2024-04-30T23:59:59.999999Z", .gross = "999.00"});
  Sell({.sold_at = "2024-06-01T00:00:00Z", .gross = "999.00"});
  Sell({.sold_at = "2024-05-15T00:00:00Z", .gross = "999.00", .status = "disputed"});
  Sell({.sold_at = "2024-05-15T00:00:00Z", .gross = "999.00", .status = "cancelled"});
  Sell({.sold_at = "", .gross = "999.00"});
  Spend("12.50", "2024-05-01", "packaging");
  Spend("29.00", "2024-05-31", "subscription");
  Spend("7.50", "2024-05-31", "packaging");
  Spend("11.40", "2024-05-10", "platform_fees");
  Spend("500.00", "2024-05-10", "travel", ", is_business_expense", ", false");
  Spend("500.00", "2024-06-01", "travel");

  auto statements = Month(5);

  ASSERT_EQ(statements.size(), 1U);
  const pb::ProfitAndLossStatement& eur = statements["EUR"];
  EXPECT_EQ(eur.sale_count(), 2);
  EXPECT_EQ(eur.return_count(), 0);
  EXPECT_AMOUNT(eur, revenue, "200.01");
  EXPECT_AMOUNT(eur, platform_fees, "19.01");
  EXPECT_AMOUNT(eur, shipping, "3.43");
  EXPECT_AMOUNT(eur, cost_of_goods, "120.25");
  EXPECT_AMOUNT(eur, gross_result, "57.32");
  EXPECT_AMOUNT(eur, expenses, "49.00");
  EXPECT_AMOUNT(eur, net_result, "8.32");
  EXPECT_EQ(eur.missing_cost_count(), 0);
  ASSERT_EQ(eur.expense_lines_size(), 2);
  EXPECT_EQ(eur.expense_lines(0).category(), "packaging");
  EXPECT_AMOUNT(eur.expense_lines(0), amount, "20.00");
  EXPECT_EQ(eur.expense_lines(0).expense_count(), 2);
  EXPECT_EQ(eur.expense_lines(1).category(), "subscription");
  EXPECT_AMOUNT(eur.excluded_platform_fees(), amount, "11.40");
  EXPECT_AMOUNT(eur.memo(), net_proceeds, "177.57");
  EXPECT_AMOUNT(eur.memo(), open_payouts, "72.47");
  EXPECT_EQ(eur.memo().open_payout_count(), 1);
}

TEST_F(ReportServiceTest, AnEmptyRangeHasNoStatement) {
  Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "100.00"});

  EXPECT_TRUE(Month(4).empty());
}

TEST_F(ReportServiceTest, CountsWhatIsNotKnownInsteadOfReadingItAsZero) {
  Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "100.00", .payout_received = "NULL"});
  Sell({.sold_at = "2024-05-11T12:00:00Z", .gross = "50.00", .fee = "4.75", .cost = "20.00"});
  Sell({.sold_at = "2024-06-11T12:00:00Z"});

  const pb::ProfitAndLossStatement may = Month(5)["EUR"];
  EXPECT_AMOUNT(may, revenue, "150.00");
  EXPECT_AMOUNT(may, platform_fees, "4.75");
  EXPECT_AMOUNT(may, shipping, "none");
  EXPECT_AMOUNT(may, cost_of_goods, "20.00");
  EXPECT_AMOUNT(may, gross_result, "125.25");
  EXPECT_AMOUNT(may, expenses, "none");
  EXPECT_AMOUNT(may, net_result, "125.25");
  EXPECT_EQ(may.missing_revenue_count(), 0);
  EXPECT_EQ(may.missing_platform_fee_count(), 1);
  EXPECT_EQ(may.missing_shipping_count(), 2);
  EXPECT_EQ(may.missing_cost_count(), 1);
  EXPECT_EQ(may.memo().missing_net_proceeds_count(), 2);
  EXPECT_EQ(may.memo().unknown_payout_count(), 1);
  EXPECT_AMOUNT(may.memo(), open_payouts, "none");

  const pb::ProfitAndLossStatement june = Month(6)["EUR"];
  EXPECT_EQ(june.sale_count(), 1);
  EXPECT_EQ(june.missing_revenue_count(), 1);
  EXPECT_AMOUNT(june, revenue, "none");
  EXPECT_AMOUNT(june, gross_result, "none");
  EXPECT_AMOUNT(june, net_result, "none");
}

TEST_F(ReportServiceTest, ARefundCountsNegativeInItsOwnPeriodAndLeavesTheSaleInItsOwn) {
  const Sale sale{.sold_at = "2024-05-10T12:00:00Z",
                  .gross = "100.00",
                  .fee = "9.50",
                  .shipping = "3.00",
                  .proceeds = "87.50",
                  .cost = "60.00"};
  const std::string order = Sell(sale);
  const std::string may_before = Month(5)["EUR"].SerializeAsString();
  database_.Execute("UPDATE transactions.orders SET status = 'refunded' WHERE id = '" + order +
                    "'");
  Event(order, "'authenticated'", "'completed'", "2024-05-12T12:00:00Z");
  Event(order, "'completed'", "'refunded'", "2024-07-02T08:00:00Z");

  EXPECT_EQ(Month(5)["EUR"].SerializeAsString(), may_before);
  EXPECT_TRUE(Month(6).empty());
  const pb::ProfitAndLossStatement july = Month(7)["EUR"];
  EXPECT_EQ(july.sale_count(), 0);
  EXPECT_EQ(july.return_count(), 1);
  EXPECT_AMOUNT(july, revenue, "-100.00");
  EXPECT_AMOUNT(july, platform_fees, "-9.50");
  EXPECT_AMOUNT(july, shipping, "-3.00");
  EXPECT_AMOUNT(july, cost_of_goods, "-60.00");
  EXPECT_AMOUNT(july, gross_result, "-27.50");
  EXPECT_AMOUNT(july.memo(), net_proceeds, "-87.50");

  // Over both periods nothing is left.
  ASSERT_OK_AND_ASSIGN(pb::ProfitAndLossResponse year,
                       ProfitAndLoss(absl::CivilDay(2024, 1, 1), absl::CivilDay(2025, 1, 1)));
  ASSERT_EQ(year.statements_size(), 1);
  EXPECT_EQ(year.statements(0).sale_count(), 1);
  EXPECT_EQ(year.statements(0).return_count(), 1);
  EXPECT_AMOUNT(year.statements(0), gross_result, "0.00");
}

TEST_F(ReportServiceTest, AReturnAfterADisputeCountsByItsHistory) {
  const std::string order =
      Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "100.00", .status = "returned"});
  // The sale is older than the events: only the dispute says that it was completed.
  Event(order, "'completed'", "'disputed'", "2024-06-02T08:00:00Z");
  Event(order, "'disputed'", "'returned'", "2024-07-02T08:00:00Z");
  // What is noted afterwards moves nothing.
  Event(order, "NULL", "NULL", "2024-08-01T08:00:00Z");

  EXPECT_AMOUNT(Month(5)["EUR"], revenue, "100.00");
  EXPECT_TRUE(Month(6).empty());
  EXPECT_AMOUNT(Month(7)["EUR"], revenue, "-100.00");
  EXPECT_TRUE(Month(8).empty());
}

TEST_F(ReportServiceTest, AReturnOfWhatWasNeverASaleCountsNowhere) {
  const std::string order =
      Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "100.00", .status = "returned"});
  Event(order, "'confirmed'", "'shipped'", "2024-05-11T08:00:00Z");
  Event(order, "'shipped'", "'returned'", "2024-07-02T08:00:00Z");
  const std::string timeless = Sell({.sold_at = "", .gross = "70.00", .status = "returned"});
  Event(timeless, "'completed'", "'returned'", "2024-07-02T08:00:00Z");
  // Refunded in the legacy table, when nobody recorded when.
  Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "50.00", .status = "refunded"});

  EXPECT_TRUE(Month(5).empty());
  EXPECT_TRUE(Month(7).empty());
}

TEST_F(ReportServiceTest, CurrenciesStandApartAndNoCurrencyIsEuro) {
  Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "100.00", .cost = "60.00", .currency = "NULL"});
  Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "10.00"});
  Sell({.sold_at = "2024-05-11T12:00:00Z",
        .gross = "200.00",
        .fee = "20.00",
        .cost = "40.00",
        .currency = "'USD'"});
  Spend("5.00", "2024-05-01", "other", ", currency_code", ", 'USD'");
  Spend("3.00", "2024-05-01", "other");

  auto statements = Month(5);

  ASSERT_EQ(statements.size(), 2U);
  EXPECT_AMOUNT(statements["EUR"], revenue, "110.00");
  EXPECT_AMOUNT(statements["EUR"], cost_of_goods, "100.00");
  EXPECT_AMOUNT(statements["EUR"], net_result, "7.00");
  EXPECT_AMOUNT(statements["USD"], revenue, "200.00");
  EXPECT_AMOUNT(statements["USD"], cost_of_goods, "none");
  EXPECT_AMOUNT(statements["USD"], net_result, "175.00");
  EXPECT_EQ(statements["USD"].gross_result().currency_code(), "USD");
}

TEST_F(ReportServiceTest, OnePlatformHasItsOwnOrdersExpensesAndPayments) {
  Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "100.00"});
  Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "40.00", .platform = "ebay"});
  const std::string order = database_.QueryText(
      "SELECT o.id FROM transactions.orders o JOIN core.platforms p ON p.id = o.platform_id"
      " WHERE p.slug = 'ebay'");
  Spend("2.00", "2024-05-01", "shipping", ", order_id", ", '" + order + "'");
  Spend("8.00", "2024-05-01", "shipping");
  database_.Execute(
      "INSERT INTO finance.payments (direction, kind, platform_id, amount, status, value_date)"
      " SELECT 'in', 'payout', id, 70.00, 'settled', '2024-05-20' FROM core.platforms"
      "  WHERE slug IN ('stockx', 'ebay')");
  NewItem("purchase_price, purchase_date, vat_amount", "10.00, '2024-05-05', 1.90");

  const pb::ProfitAndLossStatement all = Month(5)["EUR"];
  EXPECT_AMOUNT(all, revenue, "140.00");
  EXPECT_AMOUNT(all, expenses, "10.00");
  EXPECT_AMOUNT(all.memo(), cash_payouts, "140.00");
  EXPECT_AMOUNT(all.memo(), reclaimable_vat, "1.90");
  const pb::ProfitAndLossStatement ebay = Month(5, "platforms/ebay")["EUR"];
  EXPECT_AMOUNT(ebay, revenue, "40.00");
  EXPECT_AMOUNT(ebay, expenses, "2.00");
  EXPECT_AMOUNT(ebay, net_result, "38.00");
  EXPECT_AMOUNT(ebay.memo(), cash_payouts, "70.00");
  EXPECT_AMOUNT(ebay.memo(), reclaimable_vat, "none");
  EXPECT_EQ(ebay.SerializeAsString(), Month(5, "ebay")["EUR"].SerializeAsString());
  EXPECT_TRUE(Month(5, "goat").empty());
}

TEST_F(ReportServiceTest, MemoHasVatOfPurchasesAndSettledPayouts) {
  const auto buy = [this](const std::string& values) {
    NewItem("purchase_price, purchase_date, vat_amount, quantity, status", values);
  };
  buy("100.00, '2024-05-01T00:00:00Z', 19.00, 1, 'in_stock'");
  buy("10.00, '2024-05-31T23:00:00Z', 1.90, 3, 'sold'");
  buy("10.00, '2024-05-10', NULL, 1, 'in_stock'");
  buy("10.00, '2024-05-10', 1.90, 1, 'cancelled'");
  buy("10.00, '2024-06-01T00:00:00Z', 1.90, 1, 'in_stock'");
  buy("10.00, NULL, 1.90, 1, 'in_stock'");
  const auto pay = [this](const std::string& values) {
    database_.Execute(
        "INSERT INTO finance.payments (direction, kind, amount, currency_code, status,"
        " value_date) VALUES (" +
        values + ")");
  };
  pay("'in', 'payout', 105.10, 'EUR', 'settled', '2024-05-01'");
  pay("'in', 'payout', -5.10, 'EUR', 'settled', '2024-05-31'");
  pay("'in', 'payout', 20.00, 'USD', 'settled', '2024-05-31'");
  pay("'in', 'payout', 999, 'EUR', 'pending', '2024-05-31'");
  pay("'in', 'payout', 999, 'EUR', 'reversed', '2024-05-31'");
  pay("'in', 'refund', 999, 'EUR', 'settled', '2024-05-31'");
  pay("'out', 'supplier_payment', 999, 'EUR', 'settled', '2024-05-31'");
  pay("'in', 'payout', 999, 'EUR', 'settled', '2024-06-01'");

  auto statements = Month(5);

  EXPECT_AMOUNT(statements["EUR"].memo(), reclaimable_vat, "24.70");
  EXPECT_EQ(statements["EUR"].memo().missing_vat_count(), 1);
  EXPECT_AMOUNT(statements["EUR"].memo(), cash_payouts, "100.00");
  EXPECT_AMOUNT(statements["EUR"], net_result, "none");
  EXPECT_AMOUNT(statements["USD"].memo(), cash_payouts, "20.00");
}

TEST_F(ReportServiceTest, RefusesBadRangesAndPlatforms) {
  const absl::CivilDay day(2024, 5, 1);
  EXPECT_THAT(ProfitAndLoss(day, day),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("RANGE_EMPTY")));
  EXPECT_THAT(ProfitAndLoss(day, day - 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("end_date")));
  EXPECT_THAT(ProfitAndLoss(day, day + 1, "platforms/nowhere"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PLATFORM_UNKNOWN")));
  EXPECT_THAT(ProfitAndLoss(day, day + 1, "orders/1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("platform")));
  EXPECT_THAT(ProfitAndLoss(day, day + 1, std::string("sto\0ckx", 7)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("platform")));
  EXPECT_THAT(Call(*reports_, &pb::ReportService::Stub::ProfitAndLoss,
                   Parse<pb::ProfitAndLossRequest>(
                       R"({"startDate": {"year": 2024, "month": 13, "day": 1}})")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::AllOf(HasField("start_date"), HasField("end_date"))));
}

TEST_F(ReportServiceTest, SaysSoWhenAStoredCurrencyIsNotKnown) {
  Sell({.sold_at = "2024-05-10T12:00:00Z", .gross = "100.00", .currency = "'EURO'"});

  EXPECT_THAT(ProfitAndLoss(absl::CivilDay(2024, 5, 1), absl::CivilDay(2024, 6, 1)),
              StatusIs(absl::StatusCode::kInternal, Reason("INVARIANT_BROKEN")));
}

}  // namespace
}  // namespace lockstep::finance
