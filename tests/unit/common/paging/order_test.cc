#include "common/paging/order.h"

#include <string>

#include "common/paging/page_size.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::paging {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;

TEST(PageSize, FollowsTheRules) {
  EXPECT_THAT(PageSize(0), IsOkAndHolds(50));
  EXPECT_THAT(PageSize(1), IsOkAndHolds(1));
  EXPECT_THAT(PageSize(1000), IsOkAndHolds(1000));
  EXPECT_THAT(PageSize(1001), IsOkAndHolds(1000));
  EXPECT_THAT(PageSize(2147483647), IsOkAndHolds(1000));
  EXPECT_THAT(PageSize(-1), StatusIs(absl::StatusCode::kInvalidArgument,
                                     AllOf(Reason("PAGE_SIZE_NEGATIVE"), HasField("page_size"))));
}

const std::vector<SortField>& Fields() {
  static const auto& fields = *new std::vector<SortField>{
      {.name = "sold_at", .sql = "o.sold_at", .type = filter::Type::kTime, .is_nullable = true},
      {.name = "created_at", .sql = "o.created_at", .type = filter::Type::kTime}};
  return fields;
}

absl::StatusOr<std::string> Order(std::string_view order_by) {
  const SortField key{.name = "id", .sql = "o.id", .type = filter::Type::kUuid};
  const auto order = ParseOrder(order_by, "sold_at desc", Fields(), key);
  if (!order.ok()) return order.status();
  return CanonicalText(*order);
}

struct OrderCase {
  const char* name;
  const char* text;
  const char* canonical;
};
class OrderBy : public ::testing::TestWithParam<OrderCase> {};

TEST_P(OrderBy, EndsInTheKey) {
  EXPECT_THAT(Order(GetParam().text), IsOkAndHolds(std::string(GetParam().canonical)));
}

INSTANTIATE_TEST_SUITE_P(
    Table, OrderBy,
    ::testing::Values(
        OrderCase{"Default", "", "sold_at desc, id desc"},
        OrderCase{"DefaultForWhiteSpace", " \t", "sold_at desc, id desc"},
        OrderCase{"Ascending", "sold_at", "sold_at asc, id asc"},
        OrderCase{"AscendingSpelledOut", "sold_at ASC", "sold_at asc, id asc"},
        OrderCase{"Mixed", "created_at desc,sold_at", "created_at desc, sold_at asc, id asc"},
        OrderCase{"KeyKeepsItsDirection", "sold_at desc , id", "sold_at desc, id asc"},
        OrderCase{"NothingBehindTheKeyMatters", "id desc, sold_at", "id desc"}),
    [](const auto& the_case) { return the_case.param.name; });

struct OrderErrorCase {
  const char* name;
  const char* text;
  const char* reason;
};
class OrderByError : public ::testing::TestWithParam<OrderErrorCase> {};

TEST_P(OrderByError, NamesTheField) {
  EXPECT_THAT(Order(GetParam().text),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason(GetParam().reason), HasField("order_by"))));
}

INSTANTIATE_TEST_SUITE_P(
    Table, OrderByError,
    ::testing::Values(OrderErrorCase{"Unknown", "colour", "ORDER_BY_FIELD_UNKNOWN"},
                      OrderErrorCase{"CaseMatters", "Sold_At", "ORDER_BY_FIELD_UNKNOWN"},
                      OrderErrorCase{"Repeated", "sold_at, sold_at desc",
                                     "ORDER_BY_FIELD_REPEATED"},
                      OrderErrorCase{"BadDirection", "sold_at down", "ORDER_BY_SYNTAX"},
                      OrderErrorCase{"TooManyWords", "sold_at desc nulls", "ORDER_BY_SYNTAX"},
                      OrderErrorCase{"CommaAtTheEnd", "sold_at,", "ORDER_BY_SYNTAX"},
                      OrderErrorCase{"CommaAtTheStart", ",sold_at", "ORDER_BY_SYNTAX"},
                      OrderErrorCase{"Sql", "(SELECT/**/1)", "ORDER_BY_FIELD_UNKNOWN"}),
    [](const auto& the_case) { return the_case.param.name; });

TEST(OrderBySize, IsBounded) {
  EXPECT_THAT(Order(std::string(2000, ' ')), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace lockstep::paging
