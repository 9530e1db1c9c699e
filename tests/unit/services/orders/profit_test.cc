#include "services/orders/profit.h"

#include <set>

#include "common/status/testing.h"
#include "common/time/time.h"
#include "gtest/gtest.h"
#include "tests/unit/services/orders/notion_sales_vector.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

Money Eur(std::string_view text) { return *money::ParseMoney(text, money::kEur); }
Decimal Dec(std::string_view text) { return *Decimal::Parse(text); }
absl::Time Day(std::string_view text) { return time::StartOf(*time::ParseDay(text)); }

// A completed sale that brought `proceeds`.
Order Sale(std::string_view proceeds) {
  Order order;
  order.gross_sale = Eur(proceeds);
  order.net_proceeds = Eur(proceeds);
  return order;
}

absl::StatusOr<Order> Compute(const NotionSale& sale) {
  Order order = Sale(sale.net_sale);
  order.sold_at = Day(sale.sold_on);
  ASSIGN_OR_RETURN(Purchase purchase,
                   MakePurchase(Eur(sale.gross_buy), Dec("19.00"), Day(sale.bought_on)));
  return WithProfit(order, purchase);
}

class NotionVector : public ::testing::TestWithParam<NotionSale> {};

TEST_P(NotionVector, HasTheRecordedFigures) {
  const NotionSale& sale = GetParam();
  const absl::StatusOr<Order> order = Compute(sale);
  if (sale.net_profit == nullptr) {
    EXPECT_THAT(order,
                StatusIs(absl::StatusCode::kFailedPrecondition, Reason("SALE_BEFORE_PURCHASE")));
    return;
  }
  ASSERT_OK(order);
  EXPECT_EQ(order->net_profit, Eur(sale.net_profit));
  EXPECT_EQ(order->roi->ToText(), sale.roi);
  EXPECT_EQ(order->shelf_life_days, sale.shelf_life_days);
}

INSTANTIATE_TEST_SUITE_P(AppendixA, NotionVector, ::testing::ValuesIn(kNotionSales),
                         [](const auto& param_info) {
                           return "Record" + std::to_string(param_info.param.number);
                         });

TEST(NotionVectorTotals, AreThoseOfTheRealSync) {
  std::int64_t gross_buy = 0, net_buy = 0, vat = 0, net_sale = 0, profit = 0, days = 0,
               zero_days = 0;
  Decimal roi_sum;
  int accepted = 0;
  for (const NotionSale& sale : kNotionSales) {
    const absl::StatusOr<Order> order = Compute(sale);
    if (!order.ok()) continue;
    ++accepted;
    ASSERT_OK_AND_ASSIGN(Purchase purchase,
                         MakePurchase(Eur(sale.gross_buy), Dec("19.00"), std::nullopt));
    ASSERT_OK_AND_ASSIGN(Money vat_amount, VatAmount(purchase));
    gross_buy += purchase.gross->minor();
    net_buy += purchase.net.minor();
    vat += vat_amount.minor();
    net_sale += order->net_proceeds->minor();
    profit += order->net_profit->minor();
    days += *order->shelf_life_days;
    zero_days += *order->shelf_life_days == 0 ? 1 : 0;
    ASSERT_OK_AND_ASSIGN(roi_sum, decimal::Add(roi_sum, *order->roi));
  }
  EXPECT_EQ(std::size(kNotionSales), 41U);
  EXPECT_EQ(accepted, 39);
  EXPECT_EQ(gross_buy, 351'304);
  EXPECT_EQ(net_buy, 295'212);
  EXPECT_EQ(vat, 56'092);
  EXPECT_EQ(net_sale, 337'130);
  EXPECT_EQ(profit, 41'918);
  EXPECT_EQ(zero_days, 4);
  ASSERT_OK_AND_ASSIGN(Decimal mean_roi, decimal::Divide(roi_sum, Decimal(39), 2,
                                                         decimal::Rounding::kHalfAwayFromZero));
  EXPECT_EQ(mean_roi.ToText(), "15.22");
  ASSERT_OK_AND_ASSIGN(Decimal mean_days, decimal::Divide(Decimal(days), Decimal(39), 2,
                                                          decimal::Rounding::kHalfAwayFromZero));
  EXPECT_EQ(mean_days.ToText(), "21.77");
}

TEST(NotionVectorTotals, RoiFromStoredColumnsIsOneCentOffInTwelveRecords) {
  std::set<int> differing;
  for (const NotionSale& sale : kNotionSales) {
    const absl::StatusOr<Order> ingested = Compute(sale);
    if (!ingested.ok()) continue;
    ASSERT_OK_AND_ASSIGN(Purchase purchase,
                         MakePurchase(Eur(sale.gross_buy), Dec("19.00"), std::nullopt));
    purchase.gross.reset();
    ASSERT_OK_AND_ASSIGN(Order stored, WithProfit(Sale(sale.net_sale), purchase));
    EXPECT_EQ(stored.net_profit, ingested->net_profit);
    if (*stored.roi != *ingested->roi) differing.insert(sale.number);
  }
  EXPECT_EQ(differing, (std::set<int>{1, 10, 14, 16, 17, 20, 21, 22, 29, 36, 38, 40}));
}

TEST(MakePurchase, RemovesVatOnce) {
  ASSERT_OK_AND_ASSIGN(Purchase with_vat, MakePurchase(Eur("119.00"), Dec("19"), std::nullopt));
  EXPECT_EQ(with_vat.net, Eur("100.00"));
  ASSERT_OK_AND_ASSIGN(Purchase without, MakePurchase(Eur("119.00"), Dec("0"), std::nullopt));
  EXPECT_EQ(without.net, Eur("119.00"));
  EXPECT_THAT(VatAmount(without), lockstep::testing::IsOkAndHolds(Eur("0.00")));
  EXPECT_THAT(MakePurchase(Eur("0.00"), Dec("19"), std::nullopt),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("GROSS_BUY_NOT_POSITIVE")));
  EXPECT_THAT(MakePurchase(Eur("1.00"), Dec("100.01"), std::nullopt),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("VAT_RATE_OUT_OF_RANGE")));
}

TEST(WithProfit, UnknownStaysUnknown) {
  Order order;
  order.gross_sale = Eur("100.00");
  order.platform_fee = Eur("10.00");
  ASSERT_OK_AND_ASSIGN(Order computed, WithProfit(order, std::nullopt));
  EXPECT_FALSE(computed.net_proceeds.has_value()) << "the shipping cost is not known";
  EXPECT_FALSE(computed.gross_profit.has_value());
  EXPECT_FALSE(computed.net_profit.has_value());
  EXPECT_FALSE(computed.roi.has_value());
  EXPECT_FALSE(computed.shelf_life_days.has_value());
}

TEST(WithProfit, ProceedsFollowFromTheFiguresUnlessThePayoutIsKnown) {
  Order order;
  order.gross_sale = Eur("100.00");
  order.platform_fee = Eur("9.50");
  order.shipping_cost = Eur("-0.07");
  ASSERT_OK_AND_ASSIGN(Order computed, WithProfit(order, std::nullopt));
  EXPECT_EQ(computed.net_proceeds, Eur("90.57"));
  order.net_proceeds = Eur("88.00");
  ASSERT_OK_AND_ASSIGN(computed, WithProfit(order, std::nullopt));
  EXPECT_EQ(computed.net_proceeds, Eur("88.00"));
}

TEST(WithProfit, NeverMixesCurrencies) {
  Order order;
  order.currency = money::kUsd;
  order.gross_sale = Money(money::kUsd, 10'000);
  order.net_proceeds = Money(money::kUsd, 9'000);
  ASSERT_OK_AND_ASSIGN(Purchase purchase, MakePurchase(Eur("50.00"), Dec("19"), std::nullopt));
  ASSERT_OK_AND_ASSIGN(Order computed, WithProfit(order, purchase));
  EXPECT_FALSE(computed.net_profit.has_value());
  EXPECT_FALSE(computed.roi.has_value());
}

TEST(WithProfit, RejectsARoiThatTheColumnCannotHold) {
  ASSERT_OK_AND_ASSIGN(Purchase purchase, MakePurchase(Eur("0.01"), Dec("0"), std::nullopt));
  ASSERT_OK_AND_ASSIGN(Order at_the_edge, WithProfit(Sale("1000.00"), purchase));
  EXPECT_EQ(at_the_edge.roi->ToText(), "9999900.00");
  EXPECT_THAT(WithProfit(Sale("1000.02"), purchase),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ROI_OUT_OF_RANGE")));
}

TEST(WithProfit, SaleOnThePurchaseDayIsFine) {
  Order order = Sale("10.00");
  order.sold_at = *time::ParseRfc3339("2024-07-24T00:30:00Z");
  ASSERT_OK_AND_ASSIGN(
      Purchase purchase,
      MakePurchase(Eur("9.00"), Dec("19"), *time::ParseRfc3339("2024-07-24T23:00:00Z")));
  ASSERT_OK_AND_ASSIGN(Order computed, WithProfit(order, purchase));
  EXPECT_EQ(computed.shelf_life_days, 0);
}

}  // namespace
}  // namespace lockstep::orders
