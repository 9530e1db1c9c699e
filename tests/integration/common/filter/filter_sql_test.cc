// Random filters: PostgreSQL must find exactly the rows that a second, simple evaluator of the same
// tree finds.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/filter/filter.h"
#include "common/pg/connection.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace lockstep::filter {
namespace {

using lockstep::testing::TestDatabase;

// One row; every value as the evaluator compares it. Times and days are microseconds since 1970.
struct Sale {
  int id = 0;
  std::optional<std::string> text;
  std::optional<std::string> status;
  std::optional<std::int64_t> sold_at;
  std::optional<std::int64_t> day;
  std::optional<std::int64_t> cents;
  std::optional<std::int64_t> count;
  std::optional<bool> paid;
  std::optional<std::string> item;
};

constexpr std::int64_t kDayMicros = 86'400'000'000;
const char* const kTexts[] = {"", "a", "B", "b'; --", "\xc3\xa9", "100%", "a\"b\\", "Z z"};
const char* const kStatuses[] = {"pending", "shipped", "completed"};

std::string TimeText(std::int64_t micros) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(micros),
                          absl::UTCTimeZone());
}
std::string DayText(std::int64_t micros) { return TimeText(micros).substr(0, 10); }
std::string DecimalText(std::int64_t cents) {
  const char* sign = cents < 0 ? "-" : "";
  return absl::StrFormat("%s%d.%02d", sign, std::abs(cents) / 100, std::abs(cents) % 100);
}
std::string ItemText(int n) { return absl::StrFormat("00000000-0000-4000-8000-%012x", n); }

std::vector<Field> Fields() {
  return {{.name = "text", .sql = "s.note"},
          {.name = "status",
           .sql = "s.status",
           .type = Type::kEnum,
           .values = {std::begin(kStatuses), std::end(kStatuses)},
           .normalise = EnumName("STATUS")},
          {.name = "sold_at", .sql = "s.sold_at", .type = Type::kTime},
          {.name = "day", .sql = "s.day", .type = Type::kDate},
          {.name = "gross_sale", .sql = "s.gross_sale", .type = Type::kDecimal},
          {.name = "count", .sql = "s.count", .type = Type::kInteger},
          {.name = "paid", .sql = "s.paid", .type = Type::kBool},
          {.name = "item",
           .sql = "s.item",
           .type = Type::kUuid,
           .normalise = StripCollection("items")}};
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int Below(int bound) { return static_cast<int>(engine_() % static_cast<unsigned>(bound)); }
  bool Chance(int percent) { return Below(100) < percent; }
  // A few values only, so that rows and literals often meet.
  std::int64_t Micros() {
    return 19'000 * kDayMicros + Below(4) * kDayMicros + Below(3) * (kDayMicros / 2);
  }
  std::int64_t Cents() { return Below(9) * 50 - 100; }

  Sale MakeSale(int id) {
    Sale sale;
    sale.id = id;
    if (Chance(75)) sale.text = kTexts[Below(std::size(kTexts))];
    if (Chance(75)) sale.status = kStatuses[Below(3)];
    if (Chance(75)) sale.sold_at = Micros();
    if (Chance(75)) sale.day = (19'000 + Below(4)) * kDayMicros;
    if (Chance(75)) sale.cents = Cents();
    if (Chance(75)) sale.count = Below(4);
    if (Chance(75)) sale.paid = Chance(50);
    if (Chance(75)) sale.item = ItemText(Below(4));
    return sale;
  }

  std::string FilterText(int depth) {
    switch (depth == 0 ? 4 : Below(6)) {
      case 0:
        return FilterText(depth - 1) + " AND " + FilterText(depth - 1);
      case 1:
        return FilterText(depth - 1) + " OR " + FilterText(depth - 1);
      case 2:
        return "(" + FilterText(depth - 1) + ")";
      case 3:
        return (Chance(50) ? "NOT (" : "-( ") + FilterText(depth - 1) + ")";
      default:
        return (Chance(20) ? "NOT " : "") + Restriction();
    }
  }

 private:
  std::string Comparator() {
    static const char* const kAll[] = {"=", "!=", " < ", " <= ", ">", " >="};
    return kAll[Below(6)];
  }
  std::string Quoted(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    return quoted + "\"";
  }
  std::string Restriction() {
    static const char* const kNames[] = {"text",       "status", "sold_at", "day",
                                         "gross_sale", "count",  "paid",    "item"};
    const int field = Below(8);
    const std::string name = kNames[field];
    if (Chance(15)) return name + ":*";
    const std::string equality = Chance(50) ? " = " : "!=";
    switch (field) {
      case 0:
        return name + Comparator() + Quoted(kTexts[Below(std::size(kTexts))]);
      case 1: {
        const char* const kWritten[] = {"pending", "STATUS_SHIPPED", "COMPLETED"};
        return name + equality + kWritten[Below(3)];
      }
      case 2:
        return name + Comparator() + (Chance(50) ? DayText(Micros()) : Quoted(TimeText(Micros())));
      case 3:
        return name + Comparator() + DayText(Micros());
      case 4:
        return name + Comparator() + DecimalText(Cents());
      case 5:
        return name + Comparator() + std::to_string(Below(4));
      case 6:
        return name + equality + (Chance(50) ? "true" : "false");
      default:
        return name + equality + (Chance(50) ? "items/" : "") + ItemText(Below(4));
    }
  }

  std::mt19937 engine_;
};

template <typename T>
bool Holds(Comparator comparator, const T& a, const T& b) {
  switch (comparator) {
    case Comparator::kEqual:
      return a == b;
    case Comparator::kNotEqual:
      return a != b;
    case Comparator::kLess:
      return a < b;
    case Comparator::kLessOrEqual:
      return a <= b;
    case Comparator::kGreater:
      return a > b;
    case Comparator::kGreaterOrEqual:
      return a >= b;
  }
  return false;
}
template <typename T>
bool Holds(Comparator comparator, const std::optional<T>& a, const T& b) {
  return a.has_value() && Holds(comparator, *a, b);
}

std::int64_t MicrosOf(const std::string& text) {
  absl::Time time;
  std::string error;
  const std::string full = text.size() == 10 ? text + "T00:00:00Z" : text;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, full, &time, &error)) << text;
  return absl::ToUnixMicros(time);
}

bool HoldsAtTime(const Node& node, const std::optional<std::int64_t>& sold_at) {
  if (!sold_at.has_value()) return false;
  // Comparing with a day is comparing the days, which is another way to say it than the compiler's.
  const bool is_day = node.value.size() == 10;
  return Holds(node.comparator, is_day ? *sold_at / kDayMicros : *sold_at,
               is_day ? MicrosOf(node.value) / kDayMicros : MicrosOf(node.value));
}

bool Compared(const Node& node, const Sale& sale) {
  if (node.field == "text") return Holds(node.comparator, sale.text, node.value);
  if (node.field == "status") {
    std::string status = node.value;
    if (status.starts_with("STATUS_")) status.erase(0, 7);
    for (char& c : status) c = static_cast<char>(std::tolower(c));
    return Holds(node.comparator, sale.status, status);
  }
  if (node.field == "sold_at") return HoldsAtTime(node, sale.sold_at);
  if (node.field == "day") return Holds(node.comparator, sale.day, MicrosOf(node.value));
  if (node.field == "gross_sale") {
    std::string digits = node.value;
    digits.erase(digits.find('.'), 1);
    return Holds(node.comparator, sale.cents, static_cast<std::int64_t>(std::stoll(digits)));
  }
  if (node.field == "count") {
    return Holds(node.comparator, sale.count, static_cast<std::int64_t>(std::stoll(node.value)));
  }
  if (node.field == "paid") return Holds(node.comparator, sale.paid, node.value == "true");
  return Holds(node.comparator, sale.item, node.value.substr(node.value.size() - 36));
}

bool Present(const std::string& field, const Sale& sale) {
  if (field == "text") return sale.text.has_value();
  if (field == "status") return sale.status.has_value();
  if (field == "sold_at") return sale.sold_at.has_value();
  if (field == "day") return sale.day.has_value();
  if (field == "gross_sale") return sale.cents.has_value();
  if (field == "count") return sale.count.has_value();
  if (field == "paid") return sale.paid.has_value();
  return sale.item.has_value();
}

bool Matches(const Node& node, const Sale& sale) {
  const auto matches = [&](const Node& child) { return Matches(child, sale); };
  switch (node.kind) {
    case Node::Kind::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), matches);
    case Node::Kind::kOr:
      return std::any_of(node.children.begin(), node.children.end(), matches);
    case Node::Kind::kNot:
      return !matches(node.children.front());
    case Node::Kind::kCompare:
      return Compared(node, sale);
    case Node::Kind::kPresent:
      return Present(node.field, sale);
  }
  return false;
}

class FilterSql : public ::testing::Test {
 protected:
  void SetUp() override {
    database_.Execute(
        "CREATE SCHEMA shop; CREATE TABLE shop.sales (id integer PRIMARY KEY, note varchar(50),"
        " status text, sold_at timestamptz, day date, gross_sale numeric(10,2), count integer,"
        " paid boolean, item uuid)");
    auto connection = pg::Connection::Open({.database_url = database_.url(),
                                            .application_name = "filter_sql_test",
                                            .session_setup = ""});
    ASSERT_OK(connection);
    connection_ = *std::move(connection);
  }

  void Insert(const Sale& sale) {
    const auto time = [](const std::optional<std::int64_t>& micros) -> std::optional<std::string> {
      if (!micros.has_value()) return std::nullopt;
      return TimeText(*micros);
    };
    std::optional<std::string> gross;
    if (sale.cents.has_value()) gross = DecimalText(*sale.cents);
    ASSERT_OK(connection_->Query(
        "INSERT INTO shop.sales VALUES ($1, $2, $3, $4, $5::timestamptz::date, $6, $7, $8, $9)",
        sale.id, sale.text, sale.status, time(sale.sold_at), time(sale.day), gross, sale.count,
        sale.paid, sale.item));
  }

  std::vector<int> Find(const Filter& filter) {
    std::vector<int> ids;
    const auto condition = Compile(filter, Fields());
    EXPECT_OK(condition);
    if (!condition.ok()) return ids;
    const auto rows = connection_->QueryList(
        "SELECT s.id FROM shop.sales s WHERE " + condition->sql + " ORDER BY s.id",
        condition->params);
    EXPECT_OK(rows) << condition->sql;
    if (!rows.ok()) return ids;
    for (const pg::Row row : *rows) ids.push_back(row.Get<std::int32_t>("id"));
    return ids;
  }

  TestDatabase database_ = TestDatabase::Create();
  std::unique_ptr<pg::Connection> connection_;
};

TEST_F(FilterSql, FindsWhatTheEvaluatorFinds) {
  Random random(20240229);
  std::vector<Sale> sales;
  for (int id = 1; id <= 60; ++id) {
    sales.push_back(random.MakeSale(id));
    Insert(sales.back());
  }

  int proper = 0;  // filters that find some rows but not all
  for (int round = 0; round < 600; ++round) {
    const std::string text = random.FilterText(round % 5);
    ASSERT_OK_AND_ASSIGN(const Filter filter, Parse(text));
    std::vector<int> want;
    for (const Sale& sale : sales) {
      if (Matches(filter.root(), sale)) want.push_back(sale.id);
    }

    ASSERT_EQ(Find(filter), want) << text;
    if (!want.empty() && want.size() < sales.size()) ++proper;
  }
  EXPECT_GT(proper, 300);
}

TEST_F(FilterSql, TreatsAbsentValuesAsFalseAndTheirNegationAsTrue) {
  Sale with;
  with.id = 1;
  with.status = "pending";
  Sale without;
  without.id = 2;
  Insert(with);
  Insert(without);
  const auto find = [&](std::string_view text) { return Find(Parse(text).value()); };

  EXPECT_EQ(find("status = shipped"), std::vector<int>());
  EXPECT_EQ(find("status != shipped"), std::vector<int>({1}));
  EXPECT_EQ(find("NOT status = shipped"), std::vector<int>({1, 2}));
  EXPECT_EQ(find("NOT status != shipped"), std::vector<int>({2}));
  EXPECT_EQ(find("NOT status:*"), std::vector<int>({2}));
  EXPECT_EQ(find("NOT (NOT status = pending)"), std::vector<int>({1}));
}

TEST_F(FilterSql, LongestAndDeepestFiltersRun) {
  std::string wide = "count=1";
  while (wide.size() + 11 <= kMaxBytes) wide += " OR count=1";
  std::string deep(50, '(');
  deep += "count=1" + std::string(50, ')');
  std::string negated;
  for (int i = 0; i < 50; ++i) negated += "-(";
  negated += "count=1" + std::string(50, ')');
  Sale sale;
  sale.id = 1;
  sale.count = 1;
  Insert(sale);

  for (const std::string& text : {wide, deep, negated}) {
    ASSERT_OK_AND_ASSIGN(const Filter filter, Parse(text));
    EXPECT_EQ(Find(filter), std::vector<int>({1}));
  }
}

}  // namespace
}  // namespace lockstep::filter
