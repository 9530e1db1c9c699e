#include "services/finance/report_repository.h"

#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"

namespace lockstep::finance {
namespace {

// What the range has of orders, one row for each booking; `sign` is -1 for a return.
//
//   $1, $2   the range    $3   platform, NULL for all
//
// The present status is no history: an order that is returned now was sold before, if its events
// say that it was completed. Its sale stays in the range of sold_at, and the return is booked in
// the range of the event that says so. The event's own from_status counts as well, since orders
// that came from the legacy table have no event of their completion.
constexpr char kBookings[] = R"(
WITH closed AS (
    SELECT o.id, (SELECT max(e.at) FROM transactions.order_events e
                   WHERE e.order_id = o.id AND e.to_status = o.status) AS returned_at
      FROM transactions.orders o
     WHERE o.status IN ('returned', 'refunded')
       AND EXISTS (SELECT FROM transactions.order_events e
                    WHERE e.order_id = o.id AND 'completed' IN (e.from_status, e.to_status))
), bookings AS (
    SELECT o.id, 1 AS sign
      FROM transactions.orders o
     WHERE o.sold_at >= $1::timestamptz AND o.sold_at < $2::timestamptz
       AND (o.status = 'completed' OR o.id IN (SELECT c.id FROM closed c))
    UNION ALL
    SELECT o.id, -1
      FROM closed c
      JOIN transactions.orders o ON o.id = c.id
     WHERE o.sold_at IS NOT NULL
       AND c.returned_at >= $1::timestamptz AND c.returned_at < $2::timestamptz
)
SELECT coalesce(o.currency_code, 'EUR') AS currency_code,
       count(*) FILTER (WHERE b.sign = 1) AS sale_count,
       count(*) FILTER (WHERE b.sign = -1) AS return_count,
       sum(b.sign * o.gross_sale) AS revenue,
       sum(b.sign * o.platform_fee) AS platform_fees,
       sum(b.sign * o.shipping_cost) AS shipping,
       sum(b.sign * o.net_proceeds) AS net_proceeds,
       sum(b.sign * i.purchase_price) AS cost_of_goods,
       count(*) - count(o.gross_sale) AS missing_revenue,
       count(*) - count(o.platform_fee) AS missing_platform_fee,
       count(*) - count(o.shipping_cost) AS missing_shipping,
       count(*) - count(o.net_proceeds) AS missing_net_proceeds,
       count(*) - count(i.purchase_price) AS missing_cost,
       sum(o.net_proceeds) FILTER (WHERE o.status = 'completed' AND NOT o.payout_received)
           AS open_payouts,
       count(*) FILTER (WHERE o.status = 'completed' AND NOT o.payout_received)
           AS open_payout_count,
       count(*) FILTER (WHERE o.status = 'completed' AND o.payout_received IS NULL)
           AS unknown_payout_count
  FROM bookings b
  JOIN transactions.orders o ON o.id = b.id
  JOIN products.inventory i ON i.id = o.inventory_item_id
 WHERE $3::uuid IS NULL OR o.platform_id = $3::uuid
 GROUP BY 1
)";

// $1, $2 are days; $3 as above. An expense belongs to a platform through the order it is linked to.
constexpr char kExpenses[] = R"(
SELECT e.currency_code, e.category, sum(e.amount) AS amount, count(*) AS expense_count
  FROM finance.expenses e
  LEFT JOIN transactions.orders o ON o.id = e.order_id
 WHERE e.is_business_expense
   AND e.expense_date >= $1::date AND e.expense_date < $2::date
   AND ($3::uuid IS NULL OR o.platform_id = $3::uuid)
 GROUP BY e.currency_code, e.category
)";

// vat_amount is that of one unit.
constexpr char kPurchaseVat[] = R"(
SELECT sum(i.vat_amount * i.quantity) AS amount, count(*) - count(i.vat_amount) AS missing
  FROM products.inventory i
 WHERE i.purchase_date >= $1::timestamptz AND i.purchase_date < $2::timestamptz
   AND i.status <> 'cancelled' AND i.quantity > 0
)";

constexpr char kCashPayouts[] = R"(
SELECT p.currency_code, sum(p.amount) AS amount
  FROM finance.payments p
 WHERE p.direction = 'in' AND p.kind = 'payout' AND p.status = 'settled'
   AND p.value_date >= $1::date AND p.value_date < $2::date
   AND ($3::uuid IS NULL OR p.platform_id = $3::uuid)
 GROUP BY p.currency_code
)";

constexpr char kPlatformSums[] = R"(
SELECT p.slug, p.name, coalesce(o.currency_code, 'EUR') AS currency_code,
       count(*) AS order_count,
       sum(o.gross_sale) AS revenue, sum(o.platform_fee) AS platform_fees,
       sum(o.shipping_cost) AS shipping, sum(o.net_proceeds) AS net_proceeds,
       sum(o.net_profit) AS net_profit,
       count(*) - count(o.gross_sale) AS missing_revenue,
       count(*) - count(o.platform_fee) AS missing_platform_fee,
       count(*) - count(o.shipping_cost) AS missing_shipping,
       count(*) - count(o.net_proceeds) AS missing_net_proceeds,
       count(*) - count(o.net_profit) AS missing_net_profit
  FROM transactions.orders o
  JOIN core.platforms p ON p.id = o.platform_id
 WHERE o.status = 'completed' AND o.sold_at IS NOT NULL
   AND ($1::timestamptz IS NULL OR o.sold_at >= $1::timestamptz)
   AND ($2::timestamptz IS NULL OR o.sold_at < $2::timestamptz)
 GROUP BY p.id, 3
 ORDER BY p.slug COLLATE "C", 3
)";

absl::StatusOr<Currency> CurrencyFromRow(const pg::Row& row) {
  const std::string code = row.Text("currency_code");
  absl::StatusOr<Currency> currency = Currency::Parse(code);
  if (currency.ok()) return currency;
  return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN", "a stored currency is not known")
      .With("currency_code", code);
}

// Reads the sums of one row, all in one currency unless told otherwise.
class SumReader {
 public:
  SumReader(const pg::Row& row, const Currency& currency) : row_(row), currency_(currency) {}

  absl::Status Read(std::string_view column, std::optional<Money>& into) const {
    return Read(column, currency_, into);
  }
  absl::Status Read(std::string_view column, const Currency& currency,
                    std::optional<Money>& into) const {
    if (row_.IsNull(column)) return absl::OkStatus();
    ASSIGN_OR_RETURN(into, money::ParseMoney(row_.Text(column), currency));
    return absl::OkStatus();
  }

 private:
  const pg::Row& row_;
  const Currency& currency_;
};

absl::StatusOr<SalesSums> SalesFromRow(const pg::Row& row) {
  SalesSums sums;
  ASSIGN_OR_RETURN(sums.currency, CurrencyFromRow(row));
  const SumReader reader(row, sums.currency);
  sums.sale_count = row.Get<std::int64_t>("sale_count");
  sums.return_count = row.Get<std::int64_t>("return_count");
  RETURN_IF_ERROR(reader.Read("revenue", sums.revenue));
  RETURN_IF_ERROR(reader.Read("platform_fees", sums.platform_fees));
  RETURN_IF_ERROR(reader.Read("shipping", sums.shipping));
  RETURN_IF_ERROR(reader.Read("net_proceeds", sums.net_proceeds));
  RETURN_IF_ERROR(reader.Read("cost_of_goods", kPurchaseCurrency, sums.cost_of_goods));
  sums.missing_revenue = row.Get<std::int64_t>("missing_revenue");
  sums.missing_platform_fee = row.Get<std::int64_t>("missing_platform_fee");
  sums.missing_shipping = row.Get<std::int64_t>("missing_shipping");
  sums.missing_net_proceeds = row.Get<std::int64_t>("missing_net_proceeds");
  sums.missing_cost = row.Get<std::int64_t>("missing_cost");
  RETURN_IF_ERROR(reader.Read("open_payouts", sums.open_payouts));
  sums.open_payout_count = row.Get<std::int64_t>("open_payout_count");
  sums.unknown_payout_count = row.Get<std::int64_t>("unknown_payout_count");
  return sums;
}

absl::StatusOr<ExpenseSum> ExpenseFromRow(const pg::Row& row) {
  ExpenseSum sum;
  ASSIGN_OR_RETURN(Currency currency, CurrencyFromRow(row));
  ASSIGN_OR_RETURN(sum.amount, money::ParseMoney(row.Text("amount"), currency));
  ASSIGN_OR_RETURN(sum.category, ExpenseCategoryFromText(row.Text("category")));
  sum.count = row.Get<std::int64_t>("expense_count");
  return sum;
}

absl::StatusOr<PlatformSums> PlatformFromRow(const pg::Row& row) {
  PlatformSums sums;
  sums.slug = row.Text("slug");
  sums.name = row.Text("name");
  ASSIGN_OR_RETURN(sums.currency, CurrencyFromRow(row));
  const SumReader reader(row, sums.currency);
  sums.order_count = row.Get<std::int64_t>("order_count");
  RETURN_IF_ERROR(reader.Read("revenue", sums.revenue));
  RETURN_IF_ERROR(reader.Read("platform_fees", sums.platform_fees));
  RETURN_IF_ERROR(reader.Read("shipping", sums.shipping));
  RETURN_IF_ERROR(reader.Read("net_proceeds", sums.net_proceeds));
  RETURN_IF_ERROR(reader.Read("net_profit", sums.net_profit));
  sums.missing_revenue = row.Get<std::int64_t>("missing_revenue");
  sums.missing_platform_fee = row.Get<std::int64_t>("missing_platform_fee");
  sums.missing_shipping = row.Get<std::int64_t>("missing_shipping");
  sums.missing_net_proceeds = row.Get<std::int64_t>("missing_net_proceeds");
  sums.missing_net_profit = row.Get<std::int64_t>("missing_net_profit");
  return sums;
}

std::optional<absl::Time> StartOf(const std::optional<absl::CivilDay>& day) {
  if (!day.has_value()) return std::nullopt;
  return time::StartOf(*day);
}

absl::Status ReadVat(pg::Tx& tx, const DayRange& range, PurchaseVat& vat) {
  ASSIGN_OR_RETURN(pg::Row row,
                   tx.One(kPurchaseVat, time::StartOf(range.start), time::StartOf(range.end)));
  vat.missing = row.Get<std::int64_t>("missing");
  return SumReader(row, kPurchaseCurrency).Read("amount", vat.amount);
}

}  // namespace

absl::StatusOr<ids::Uuid> FindPlatform(pg::Tx& tx, std::string_view slug, std::string_view field) {
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe("SELECT id FROM core.platforms WHERE slug = $1", slug));
  if (!row.has_value()) {
    return InvalidField(field, "PLATFORM_UNKNOWN", "there is no such platform");
  }
  return ids::Uuid::Parse(row->Text("id"));
}

absl::StatusOr<ReportSums> ReadReportSums(pg::Tx& tx, const DayRange& range,
                                          const std::optional<ids::Uuid>& platform) {
  std::optional<std::string> platform_id;
  if (platform.has_value()) platform_id = platform->text();
  ReportSums sums;
  ASSIGN_OR_RETURN(pg::Result sales, tx.Query(kBookings, time::StartOf(range.start),
                                              time::StartOf(range.end), platform_id));
  for (const pg::Row row : sales) {
    ASSIGN_OR_RETURN(SalesSums of_currency, SalesFromRow(row));
    sums.sales.push_back(std::move(of_currency));
  }
  ASSIGN_OR_RETURN(pg::Result expenses, tx.Query(kExpenses, range.start, range.end, platform_id));
  for (const pg::Row row : expenses) {
    ASSIGN_OR_RETURN(ExpenseSum of_category, ExpenseFromRow(row));
    sums.expenses.push_back(of_category);
  }
  ASSIGN_OR_RETURN(pg::Result payouts, tx.Query(kCashPayouts, range.start, range.end, platform_id));
  for (const pg::Row row : payouts) {
    ASSIGN_OR_RETURN(Currency currency, CurrencyFromRow(row));
    ASSIGN_OR_RETURN(Money amount, money::ParseMoney(row.Text("amount"), currency));
    sums.cash_payouts.push_back(amount);
  }
  if (!platform.has_value()) RETURN_IF_ERROR(ReadVat(tx, range, sums.vat));
  return sums;
}

absl::StatusOr<std::vector<PlatformSums>> ReadPlatformSums(
    pg::Tx& tx, const std::optional<absl::CivilDay>& start,
    const std::optional<absl::CivilDay>& end) {
  ASSIGN_OR_RETURN(pg::Result rows, tx.Query(kPlatformSums, StartOf(start), StartOf(end)));
  std::vector<PlatformSums> platforms;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(PlatformSums sums, PlatformFromRow(row));
    platforms.push_back(std::move(sums));
  }
  return platforms;
}

}  // namespace lockstep::finance
