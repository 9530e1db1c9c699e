#include "services/orders/stockx_report.h"

#include <algorithm>

#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/testing.h"
#include "common/time/time.h"
#include "gtest/gtest.h"
#include "tests/unit/services/orders/report_builder.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

std::vector<std::string_view> Views(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

StockxReport Report() { return *StockxReport::FromHeader(Views(ReportBuilder::Columns())); }

ReportRow Map(const ReportBuilder::Row& changes) {
  ReportBuilder::Row row = ReportBuilder::Standard("75911746-87004337");
  for (const auto& [column, value] : changes) row[column] = value;
  const std::vector<std::string> fields = ReportBuilder::Fields(row);
  return Report().Map(Views(fields), 7);
}

std::vector<std::string> Reasons(const ReportRow& row) {
  std::vector<std::string> reasons;
  for (const Problem& problem : row.problems) reasons.push_back(problem.reason);
  return reasons;
}

Money Eur(std::int64_t minor) { return {money::kEur, minor}; }

TEST(StockxReport, MapsAWholeRow) {
  const ReportRow row = Map({});
  ASSERT_TRUE(row.sale.has_value()) << ::testing::PrintToString(Reasons(row));
  const ReportedSale& sale = *row.sale;
  EXPECT_EQ(row.line, 7);
  EXPECT_EQ(sale.external_id, "stockx_75911746-87004337");
  EXPECT_EQ(sale.platform_number, "75911746-87004337");
  EXPECT_EQ(sale.inventory_type, "STANDARD");
  EXPECT_EQ(sale.item_name, "Nike Dunk Low Panda");
  EXPECT_EQ(sale.sku, "DD1391-100");
  EXPECT_EQ(sale.size_text, "10.5");
  EXPECT_EQ(sale.sold_at, *time::ParseRfc3339("2024-03-01T12:30:00Z"));
  EXPECT_EQ(sale.payout_date, *time::ParseRfc3339("2024-03-05T08:00:00Z"));
  EXPECT_EQ(sale.gross_sale, Eur(10'000));
  EXPECT_EQ(sale.platform_fee, Eur(1'000));
  EXPECT_EQ(sale.shipping_cost, Eur(83));
  EXPECT_EQ(sale.net_proceeds, Eur(8'917));
  EXPECT_EQ(sale.itemisation, FeeItemisation::kExact);
  EXPECT_EQ(sale.country, "France");
  EXPECT_EQ(sale.reference, "90000001-75911746-87004337");
}

TEST(StockxReport, KeepsNoNamesAndAddresses) {
  const ReportRow row = Map({});
  for (const char* secret : {"Mustermann", "Heidestr", "DE999999999"}) {
    EXPECT_EQ(row.payload.find(secret), std::string::npos) << row.payload;
  }
  const nlohmann::json payload = nlohmann::json::parse(row.payload);
  EXPECT_EQ(payload["Seller Fee"], "7");
  EXPECT_EQ(payload["Special references"], "1) Intra-EU supply\n2) Self-billing");
  EXPECT_FALSE(payload.contains("VAT Rate")) << "empty columns say nothing";
}

TEST(StockxReport, ThePayoutIsAuthoritative) {
  struct Case {
    const char* fee;
    const char* processing;
    const char* payout;
    FeeItemisation itemisation;
    std::int64_t residual, platform_fee;
  };
  for (const Case& c : {
           Case{"7", "3", "89.17", FeeItemisation::kExact, 0, 1'000},
           Case{"7", "3", "89.18", FeeItemisation::kRounded, -1, 999},
           Case{"7", "3", "89.16", FeeItemisation::kRounded, 1, 1'001},
           Case{"7", "3", "89.15", FeeItemisation::kUnitemised, 2, 1'002},
           Case{"", "3", "89.17", FeeItemisation::kUnitemised, 700, 1'000},
           Case{"", "", "89.17", FeeItemisation::kUnitemised, 1'000, 1'000},
       }) {
    const ReportRow row = Map({{"Seller Fee", c.fee},
                               {"Payment Processing", c.processing},
                               {"Total Gross Amount (Total Payout)", c.payout}});
    ASSERT_TRUE(row.sale.has_value());
    EXPECT_EQ(row.sale->itemisation, c.itemisation) << c.fee << " " << c.payout;
    EXPECT_EQ(row.sale->residual, Eur(c.residual));
    EXPECT_EQ(row.sale->platform_fee, Eur(c.platform_fee));
  }
}

TEST(StockxReport, NotAvailableMeansUnknown) {
  const ReportRow row = Map({{"Style", "N/A"},
                             {"Sku Size", "N/A"},
                             {"Buyer Destination City", "N/A"},
                             {"Seller Fee", ""},
                             {"Seller Fee Currency", "N/A"},
                             {"Shipping Fee", "-0.07"}});
  ASSERT_TRUE(row.sale.has_value());
  EXPECT_EQ(row.sale->sku, "");
  EXPECT_EQ(row.sale->size_text, "");
  EXPECT_EQ(row.sale->city, std::nullopt);
  EXPECT_EQ(row.sale->shipping_cost, Eur(-7));
}

TEST(StockxReport, KnowsTheFormsOfOrderNumbers) {
  const auto type = [](const char* number) {
    return Map({{"Order Number", number}}).sale->inventory_type;
  };
  EXPECT_EQ(type("75911746-87004337"), "STANDARD");
  EXPECT_EQ(type("759117461-870043372"), "STANDARD");
  EXPECT_EQ(type("02-A1B2C3D4E5"), "FLEX");
  EXPECT_EQ(type("06-A1B2C3D4E5"), "DIRECT");
  EXPECT_EQ(type("123"), std::nullopt);
}

struct BadRow {
  const char* name;
  ReportBuilder::Row changes;
  std::vector<std::string> reasons;
};

class BadRows : public ::testing::TestWithParam<BadRow> {};

TEST_P(BadRows, AreSetAsideWithEveryReason) {
  const ReportRow row = Map(GetParam().changes);
  EXPECT_FALSE(row.sale.has_value());
  EXPECT_THAT(Reasons(row), ::testing::UnorderedElementsAreArray(GetParam().reasons));
  for (const Problem& problem : row.problems) EXPECT_FALSE(problem.column.empty());
}

constexpr char kPayoutColumn[] = "Total Gross Amount (Total Payout)";

INSTANTIATE_TEST_SUITE_P(
    All, BadRows,
    ::testing::Values(
        BadRow{"NoSaleTime", {{"Sale Date", ""}}, {"SALE_TIME_MISSING"}},
        BadRow{"SaleTimeWithoutOffset",
               {{"Sale Date", "2024-03-01 12:30:00"}},
               {"SALE_TIME_MALFORMED"}},
        BadRow{"PayoutTime", {{"Payout date", "soon"}}, {"PAYOUT_TIME_MALFORMED"}},
        BadRow{"PayoutBeforeSale",
               {{"Payout date", "2024-02-01 00:00:00 +00"}},
               {"PAYOUT_BEFORE_SALE"}},
        BadRow{"NegativePrice", {{"Listing Price", "-100"}}, {"AMOUNT_NEGATIVE"}},
        BadRow{"NegativePayout", {{kPayoutColumn, "-1"}}, {"AMOUNT_NEGATIVE"}},
        BadRow{"NoPrice", {{"Listing Price", ""}}, {"AMOUNT_MISSING"}},
        BadRow{"NoPayout", {{kPayoutColumn, "N/A"}}, {"AMOUNT_MISSING"}},
        BadRow{"Text", {{"Seller Fee", "seven"}}, {"AMOUNT_MALFORMED"}},
        BadRow{"DecimalComma", {{"Listing Price", "100,50"}}, {"AMOUNT_MALFORMED"}},
        BadRow{"NotANumber", {{kPayoutColumn, "NaN"}}, {"AMOUNT_MALFORMED"}},
        BadRow{"TooFine", {{"Listing Price", "100.005"}}, {"AMOUNT_TOO_FINE"}},
        BadRow{"TooMuch", {{"Listing Price", "1000000"}}, {"AMOUNT_OUT_OF_RANGE"}},
        BadRow{"UnknownCurrency",
               {{"Listing Price Currency", "XXQ"},
                {"Seller Fee Currency", "XXQ"},
                {"Payment Processing Currency", "XXQ"},
                {"Shipping Fee Currency", "XXQ"},
                {"Total Gross Amount (Total Payout) Currency", "XXQ"}},
               {"CURRENCY_UNKNOWN"}},
        BadRow{"OtherCurrency", {{"Shipping Fee Currency", "USD"}}, {"CURRENCIES_DIFFER"}},
        BadRow{"NoNumber", {{"Order Number", " "}}, {"ORDER_NUMBER_MISSING"}},
        BadRow{"NumberWithBlank", {{"Order Number", "1 2"}}, {"ORDER_NUMBER_MALFORMED"}},
        BadRow{"NumberWithPercent", {{"Order Number", "%"}}, {"ORDER_NUMBER_MALFORMED"}},
        BadRow{"NoItem", {{"Item", ""}}, {"ITEM_NAME_MISSING"}},
        BadRow{"LongSize", {{"Sku Size", std::string(21, '9')}}, {"TEXT_TOO_LONG"}},
        BadRow{"TwoUnits", {{"Quantity", "2"}}, {"QUANTITY_NOT_ONE"}},
        BadRow{"Several",
               {{"Sale Date", ""}, {"Listing Price", "-1"}, {"Item", "N/A"}},
               {"SALE_TIME_MISSING", "AMOUNT_NEGATIVE", "ITEM_NAME_MISSING"}}),
    [](const auto& param_info) { return param_info.param.name; });

TEST(StockxReport, KeepsTheNumberOfABadRow) {
  EXPECT_EQ(Map({{"Sale Date", ""}}).external_id, "stockx_75911746-87004337");
}

TEST(StockxReport, RefusesRowsOfAnotherWidth) {
  const std::vector<std::string> fields = {"a", "b"};
  const ReportRow row = Report().Map(Views(fields), 2);
  EXPECT_FALSE(row.sale.has_value());
  EXPECT_EQ(Reasons(row), (std::vector<std::string>{"FIELD_COUNT_WRONG"}));
}

TEST(StockxReport, KeepsNothingOfARowOfAnotherWidth) {
  // A comma too many moves the seller's address into a place that is kept.
  std::vector<std::string> fields(ReportBuilder::Columns().size() + 1, "12 Home Street");
  EXPECT_EQ(Report().Map(Views(fields), 2).payload, "{}");
}

TEST(StockxReport, NamesTheMissingColumns) {
  std::vector<std::string> columns = ReportBuilder::Columns();
  std::erase(columns, "Order Number");
  std::erase(columns, "Payout date");
  const auto report = StockxReport::FromHeader(Views(columns));
  ASSERT_THAT(report,
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REPORT_COLUMNS_MISSING")));
  EXPECT_EQ(MetadataOf(report.status(), "missing_columns"), "Order Number, Payout date");
  columns = ReportBuilder::Columns();
  columns.push_back("Order Number");
  EXPECT_THAT(StockxReport::FromHeader(Views(columns)),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REPORT_COLUMN_REPEATED")));
}

TEST(StockxReport, FindsColumnsInAnyOrder) {
  std::vector<std::string> columns = ReportBuilder::Columns();
  std::reverse(columns.begin(), columns.end());
  ASSERT_OK_AND_ASSIGN(StockxReport report, StockxReport::FromHeader(Views(columns)));
  std::vector<std::string> fields =
      ReportBuilder::Fields(ReportBuilder::Standard("75911746-87004337"));
  std::reverse(fields.begin(), fields.end());
  EXPECT_TRUE(report.Map(Views(fields), 2).sale.has_value());
}

}  // namespace
}  // namespace lockstep::orders
