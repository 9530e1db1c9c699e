#include "services/orders/order_queries.h"

#include <array>
#include <set>
#include <utility>

#include "common/filter/filter.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::orders {
namespace {

std::vector<filter::Field> FilterFields() {
  using enum filter::Type;
  return {
      {.name = "platform",
       .sql = "p.slug",
       .type = kText,
       .normalise = filter::StripCollection("platforms")},
      {.name = "status",
       .sql = "o.status",
       .type = kEnum,
       .values = OrderStatusTexts(),
       .normalise = filter::EnumName("ORDER_STATUS")},
      {.name = "sold_at", .sql = "o.sold_at", .type = kTime},
      {.name = "created_at", .sql = "o.created_at", .type = kTime},
      {.name = "payout_received", .sql = "o.payout_received", .type = kBool},
      {.name = "buyer_destination_country", .sql = "o.buyer_destination_country", .type = kText},
      {.name = "gross_sale", .sql = "o.gross_sale", .type = kDecimal},
      {.name = "external_id", .sql = "o.external_id", .type = kText},
      {.name = "sku", .sql = "s.sku", .type = kText},
      {.name = "inventory_item",
       .sql = "o.inventory_item_id",
       .type = kUuid,
       .normalise = filter::StripCollection("inventoryItems")},
  };
}

paging::ListSpec MakeSpec(std::string method) {
  using enum filter::Type;
  return {
      .method = std::move(method),
      .filter_fields = FilterFields(),
      .sort_fields =
          {{.name = "sold_at", .sql = "o.sold_at", .type = kTime, .is_nullable = true},
           {.name = "created_at", .sql = "o.created_at", .type = kTime},
           {.name = "gross_sale", .sql = "o.gross_sale", .type = kDecimal, .is_nullable = true}},
      .key = {.name = "id", .sql = "o.id", .type = kUuid},
      .default_order_by = "sold_at desc"};
}

// Adds the values that `node` and those below it compare the platform with.
void CollectPlatforms(const filter::Node& node, std::set<std::string>& slugs) {
  for (const filter::Node& child : node.children) CollectPlatforms(child, slugs);
  const bool is_equality = node.comparator == filter::Comparator::kEqual ||
                           node.comparator == filter::Comparator::kNotEqual;
  if (node.kind != filter::Node::Kind::kCompare || node.field != "platform" || !is_equality) return;
  const absl::StatusOr<std::string> slug = filter::StripCollection("platforms")(node.value);
  if (slug.ok()) slugs.insert(*slug);
}

struct GroupField {
  const char* name;
  const char* sql;
};
constexpr std::array<GroupField, 4> kGroupFields = {{
    {"platform", "p.slug"},
    {"status", "o.status"},
    // Months are of UTC, whatever the connection's time zone (D-14).
    {"month", "to_char(o.sold_at AT TIME ZONE 'UTC', 'YYYY-MM')"},
    {"country", "o.buyer_destination_country"},
}};

constexpr char kSums[] =
    " coalesce(o.currency_code, 'EUR') AS currency_code, count(*) AS order_count,"
    " sum(o.gross_sale) AS gross_sale, sum(o.platform_fee) AS platform_fee,"
    " sum(o.shipping_cost) AS shipping_cost, sum(o.net_proceeds) AS net_proceeds,"
    " sum(o.net_profit) AS net_profit, round(avg(o.roi), 2) AS mean_roi,"
    " count(*) - count(o.gross_sale) AS missing_gross_sale,"
    " count(*) - count(o.platform_fee) AS missing_platform_fee,"
    " count(*) - count(o.shipping_cost) AS missing_shipping_cost,"
    " count(*) - count(o.net_proceeds) AS missing_net_proceeds,"
    " count(*) - count(o.net_profit) AS missing_net_profit,"
    " count(*) - count(o.roi) AS missing_roi";

absl::StatusOr<std::optional<Money>> Sum(const pg::Row& row, std::string_view column,
                                         const Currency& currency) {
  if (row.IsNull(column)) return std::optional<Money>();
  ASSIGN_OR_RETURN(Money sum, money::ParseMoney(row.Text(column), currency));
  return std::optional<Money>(sum);
}

absl::StatusOr<Summary> SummaryFromRow(const pg::Row& row, std::size_t key_count) {
  Summary summary;
  for (std::size_t i = 0; i < key_count; ++i) {
    summary.group.push_back(row.OptionalText("key_" + std::to_string(i)));
  }
  ASSIGN_OR_RETURN(summary.currency, Currency::Parse(row.Text("currency_code")));
  summary.order_count = row.Get<std::int64_t>("order_count");
  ASSIGN_OR_RETURN(summary.gross_sale, Sum(row, "gross_sale", summary.currency));
  ASSIGN_OR_RETURN(summary.platform_fee, Sum(row, "platform_fee", summary.currency));
  ASSIGN_OR_RETURN(summary.shipping_cost, Sum(row, "shipping_cost", summary.currency));
  ASSIGN_OR_RETURN(summary.net_proceeds, Sum(row, "net_proceeds", summary.currency));
  ASSIGN_OR_RETURN(summary.net_profit, Sum(row, "net_profit", summary.currency));
  summary.mean_roi = row.OptionalText("mean_roi");
  summary.missing_gross_sale = row.Get<std::int64_t>("missing_gross_sale");
  summary.missing_platform_fee = row.Get<std::int64_t>("missing_platform_fee");
  summary.missing_shipping_cost = row.Get<std::int64_t>("missing_shipping_cost");
  summary.missing_net_proceeds = row.Get<std::int64_t>("missing_net_proceeds");
  summary.missing_net_profit = row.Get<std::int64_t>("missing_net_profit");
  summary.missing_roi = row.Get<std::int64_t>("missing_roi");
  return summary;
}

}  // namespace

absl::Status CheckPlatforms(pg::Tx& tx, std::string_view filter) {
  ASSIGN_OR_RETURN(const filter::Filter parsed, filter::Parse(filter));
  std::set<std::string> slugs;
  if (!parsed.empty()) CollectPlatforms(parsed.root(), slugs);
  if (slugs.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const std::optional<pg::Row> unknown,
      tx.Maybe("SELECT u.slug FROM unnest($1::text[]) AS u (slug) WHERE NOT EXISTS"
               " (SELECT FROM core.platforms p WHERE p.slug = u.slug) LIMIT 1",
               pg::ArrayLiteral(std::vector<std::string>(slugs.begin(), slugs.end()))));
  if (!unknown.has_value()) return absl::OkStatus();
  return InvalidField("filter", "PLATFORM_UNKNOWN",
                      "there is no platform \"" + unknown->Text("slug") + "\"");
}

const paging::ListSpec& ListOrdersSpec() {
  static const auto& spec = *new paging::ListSpec(MakeSpec("ListOrders"));
  return spec;
}

const paging::ListSpec& StreamOrdersSpec() {
  static const auto& spec = *new paging::ListSpec(MakeSpec("StreamOrders"));
  return spec;
}

const paging::ListSpec& ListOrderEventsSpec() {
  static const auto& spec =
      *new paging::ListSpec{.method = "ListOrderEvents",
                            .key = {.name = "id", .sql = "e.id", .type = filter::Type::kInteger},
                            .default_order_by = "id"};
  return spec;
}

absl::StatusOr<OrderPage> ListOrders(pg::Tx& tx, const paging::ListQuery& query) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   tx.QueryList(query.Sql(kOrderColumns, kOrderTables), query.Params()));
  OrderPage page;
  const int count = query.PageRows(rows);
  page.orders.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(Order order, OrderFromRow(rows[i]));
    page.orders.push_back(std::move(order));
  }
  page.next_page_token = query.NextPageToken(rows);
  return page;
}

absl::StatusOr<EventPage> ListEvents(pg::Tx& tx, const OrderId& order,
                                     const paging::ListQuery& query) {
  ASSIGN_OR_RETURN(
      std::optional<pg::Row> exists,
      tx.Maybe("SELECT 1 AS one FROM transactions.orders WHERE id = $1", order.text()));
  if (!exists.has_value()) {
    return Error(absl::StatusCode::kNotFound, "ORDER_NOT_FOUND", "there is no such order")
        .With("order", order.text());
  }
  ASSIGN_OR_RETURN(
      pg::Result rows,
      tx.QueryList(query.Sql("e.id, e.order_id, e.kind, e.from_status, e.to_status, e.at,"
                             " e.reference, e.actor, e.request_id, e.details",
                             "transactions.order_events e", "e.order_id = $1"),
                   query.Params({order.text()})));
  EventPage page;
  const int count = query.PageRows(rows);
  for (int i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(OrderEvent event, EventFromRow(rows[i]));
    page.events.push_back(std::move(event));
  }
  page.next_page_token = query.NextPageToken(rows);
  return page;
}

absl::StatusOr<SummaryQuery> SummaryQuery::Make(std::string_view filter,
                                                const std::vector<std::string>& group_by) {
  SummaryQuery query;
  ASSIGN_OR_RETURN(filter::Filter parsed, filter::Parse(filter));
  const std::vector<filter::Field> fields = FilterFields();
  ASSIGN_OR_RETURN(query.condition_, filter::Compile(parsed, fields));
  query.needs_items_ = parsed.FieldNames().contains("sku");
  for (const std::string& name : group_by) {
    const GroupField* found = nullptr;
    for (const GroupField& field : kGroupFields) {
      if (name == field.name) found = &field;
    }
    if (found == nullptr) {
      return InvalidField("group_by", "GROUP_FIELD_UNKNOWN",
                          "want platform, status, month or country");
    }
    for (const std::string& earlier : query.group_by_) {
      if (earlier == name) {
        return InvalidField("group_by", "GROUP_FIELD_REPEATED", "each field at most once");
      }
    }
    query.group_by_.push_back(name);
    query.group_sql_.emplace_back(found->sql);
  }
  return query;
}

absl::StatusOr<std::vector<Summary>> SummaryQuery::Totals(pg::Tx& tx) const { return Run(tx, {}); }

absl::StatusOr<std::vector<Summary>> SummaryQuery::Groups(pg::Tx& tx) const {
  if (group_sql_.empty()) return std::vector<Summary>();
  return Run(tx, group_sql_);
}

absl::StatusOr<std::vector<Summary>> SummaryQuery::Run(pg::Tx& tx,
                                                       const std::vector<std::string>& keys) const {
  std::string select = "SELECT";
  std::string positions;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string number = std::to_string(i);
    select += " " + keys[i] + " AS key_" + number + ",";
    positions += std::to_string(i + 1) + ", ";
  }
  positions += std::to_string(keys.size() + 1);  // the currency
  std::string sql =
      select + kSums + "  FROM transactions.orders o JOIN core.platforms p ON p.id = o.platform_id";
  if (needs_items_) {
    sql += "  LEFT JOIN products.item_summaries s ON s.inventory_item_id = o.inventory_item_id";
  }
  sql += " WHERE " + condition_.sql + " GROUP BY " + positions + " ORDER BY " + positions;
  ASSIGN_OR_RETURN(pg::Result rows, tx.QueryList(sql, condition_.params));
  std::vector<Summary> summaries;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(Summary summary, SummaryFromRow(row, keys.size()));
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

}  // namespace lockstep::orders
