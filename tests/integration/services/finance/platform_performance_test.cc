// ReportService.PlatformPerformance over a real database.
#include "tests/integration/services/finance/report_fixture.h"

namespace lockstep::finance {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::StatusIs;

using PlatformPerformanceTest = ReportServiceTest;

TEST_F(PlatformPerformanceTest, AddsUpWhatIsCompletedNow) {
  Sell({.sold_at = "2024-05-10T12:00:00Z",
        .gross = "100.00",
        .fee = "9.50",
        .shipping = "3.00",
        .proceeds = "87.50",
        .net_profit = "27.50"});
  Sell({.sold_at = "2024-06-10T12:00:00Z", .gross = "50.01", .fee = "4.75", .proceeds = "45.26"});
  Sell({.sold_at = "2024-06-10T12:00:00Z"});
  Sell({.sold_at = "2024-06-10T12:00:00Z", .gross = "10.00", .currency = "'USD'"});
  Sell({.sold_at = "2024-06-10T12:00:00Z", .gross = "10.00", .status = "returned"});
  Sell({.sold_at = "", .gross = "10.00"});
  Sell({.sold_at = "2024-06-10T12:00:00Z", .gross = "30.00", .platform = "ebay"});

  ASSERT_OK_AND_ASSIGN(pb::PlatformPerformanceResponse answer, Performance());

  ASSERT_EQ(answer.figures_size(), 3);
  EXPECT_EQ(answer.figures(0).platform(), "platforms/ebay");
  EXPECT_AMOUNT(answer.figures(0), platform_fees, "none");
  const pb::PlatformFigures& stockx = answer.figures(1);
  EXPECT_EQ(stockx.platform(), "platforms/stockx");
  EXPECT_EQ(stockx.platform_display_name(), "StockX");
  EXPECT_EQ(stockx.currency_code(), "EUR");
  EXPECT_EQ(stockx.order_count(), 3);
  EXPECT_AMOUNT(stockx, revenue, "150.01");
  EXPECT_AMOUNT(stockx, platform_fees, "14.25");
  EXPECT_AMOUNT(stockx, shipping, "3.00");
  EXPECT_AMOUNT(stockx, mean_order_value, "75.01");  // 75.005, half away from zero
  EXPECT_AMOUNT(stockx, net_proceeds, "132.76");
  EXPECT_AMOUNT(stockx, net_profit, "27.50");
  EXPECT_EQ(stockx.missing_revenue_count(), 1);
  EXPECT_EQ(stockx.missing_platform_fee_count(), 1);
  EXPECT_EQ(stockx.missing_shipping_count(), 2);
  EXPECT_EQ(stockx.missing_net_proceeds_count(), 1);
  EXPECT_EQ(stockx.missing_net_profit_count(), 2);
  EXPECT_EQ(answer.figures(2).currency_code(), "USD");

  ASSERT_OK_AND_ASSIGN(answer,
                       Performance(R"({"endDate": {"year": 2024, "month": 6, "day": 10}})"));
  ASSERT_EQ(answer.figures_size(), 1);
  EXPECT_EQ(answer.figures(0).order_count(), 1);
  ASSERT_OK_AND_ASSIGN(answer,
                       Performance(R"({"startDate": {"year": 2024, "month": 6, "day": 11}})"));
  EXPECT_EQ(answer.figures_size(), 0);
}

TEST_F(PlatformPerformanceTest, RefusesAnEmptyRange) {
  EXPECT_THAT(Performance(R"({"startDate": {"year": 2024, "month": 5, "day": 1},
                              "endDate": {"year": 2024, "month": 5, "day": 1}})"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("end_date")));
}

}  // namespace
}  // namespace lockstep::finance
