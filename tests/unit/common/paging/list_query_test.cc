#include "common/paging/list_query.h"

#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::paging {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;

const ListSpec& Spec() {
  static const auto& spec = *new ListSpec{
      .method = "ListOrders",
      .filter_fields = {{.name = "status", .sql = "o.status"}},
      .sort_fields = {{.name = "sold_at",
                       .sql = "o.sold_at",
                       .type = filter::Type::kTime,
                       .is_nullable = true},
                      {.name = "total", .sql = "o.total", .type = filter::Type::kDecimal}},
      .key = {.name = "id", .sql = "o.id", .type = filter::Type::kUuid},
      .default_order_by = "sold_at desc"};
  return spec;
}

const TokenSigner& Signer() {
  static const auto& signer = *new TokenSigner({std::string(32, 's')});
  return signer;
}

// What ListQuery binds its tokens to, spelled out here so that a change of it is noticed.
std::string QueryText(std::string_view filter, std::string_view order) {
  const auto part = [](std::string_view text) {
    return std::to_string(text.size()) + ":" + std::string(text) + ";";
  };
  return part("ListOrders") + part("") + part(filter) + part(order);
}

TEST(ListQuery, OfTheFirstPageHasNoPosition) {
  ASSERT_OK_AND_ASSIGN(const ListQuery list, ListQuery::Make(Spec(), {}, Signer()));

  EXPECT_EQ(list.Sql("o.note", "shop.orders o"),
            "SELECT o.note, (o.sold_at)::text AS page_key_0, (o.id)::text AS page_key_1"
            " FROM shop.orders o WHERE TRUE"
            " ORDER BY (o.sold_at) DESC NULLS LAST, (o.id) DESC LIMIT 51");
  EXPECT_TRUE(list.Params().empty());
}

TEST(ListQuery, PutsThePositionBehindTheFilter) {
  const std::string token =
      Signer().Sign(QueryText(R"(status="x")", "total asc, id asc"), {"9.50", "7f3c"});

  ASSERT_OK_AND_ASSIGN(
      const ListQuery list,
      ListQuery::Make(
          Spec(),
          {.filter = "status = x", .order_by = "total", .page_size = 2, .page_token = token},
          Signer(), 3));

  EXPECT_EQ(list.Sql("o.note", "shop.orders o", "o.shop = $1 AND o.day = $2"),
            "SELECT o.note, (o.total)::text AS page_key_0, (o.id)::text AS page_key_1"
            " FROM shop.orders o WHERE o.shop = $1 AND o.day = $2 AND ((o.status) = $3::text)"
            " AND (o.total) >= $4::numeric AND"
            " (((o.total) > $4::numeric) OR ((o.total) = $4::numeric AND ((o.id) > $5::uuid)))"
            " ORDER BY (o.total) ASC, (o.id) ASC LIMIT 3");
  const std::vector<pg::Param> params = list.Params({pg::Param("shop"), pg::Param("day")});
  ASSERT_EQ(params.size(), 5u);
  EXPECT_EQ(params[1].text(), "day");
  EXPECT_EQ(params[2].text(), "x");
  EXPECT_EQ(params[3].text(), "9.50");
}

TEST(ListQuery, ReadsANullableFieldInTwoParts) {
  const std::string token =
      Signer().Sign(QueryText("", "sold_at desc, id desc"), {"2024-01-01 00:00:00+00", "7f3c"});

  ASSERT_OK_AND_ASSIGN(const ListQuery list,
                       ListQuery::Make(Spec(), {.page_size = 2, .page_token = token}, Signer(), 2));

  EXPECT_EQ(list.Sql("o.id", "shop.orders o", "o.shop = $1"),
            "SELECT * FROM ("
            "(SELECT o.id, (o.sold_at)::text AS page_key_0, (o.id)::text AS page_key_1,"
            " (o.sold_at) AS page_sort_0, (o.id) AS page_sort_1 FROM shop.orders o"
            " WHERE o.shop = $1 AND TRUE AND (o.sold_at) <= $2::timestamptz AND"
            " (((o.sold_at) < $2::timestamptz OR (o.sold_at) IS NULL) OR"
            " ((o.sold_at) = $2::timestamptz AND ((o.id) < $3::uuid)))"
            " ORDER BY (o.sold_at) DESC NULLS LAST, (o.id) DESC LIMIT 3) UNION ALL "
            "(SELECT o.id, (o.sold_at)::text AS page_key_0, (o.id)::text AS page_key_1,"
            " (o.sold_at) AS page_sort_0, (o.id) AS page_sort_1 FROM shop.orders o"
            " WHERE o.shop = $1 AND TRUE AND (o.sold_at) IS NULL"
            " ORDER BY (o.sold_at) DESC NULLS LAST, (o.id) DESC LIMIT 3)) AS page"
            " ORDER BY (page_sort_0) DESC NULLS LAST, (page_sort_1) DESC LIMIT 3");
}

TEST(ListQuery, BehindARowWithoutValueOnlySuchRowsFollow) {
  const std::string token =
      Signer().Sign(QueryText("", "sold_at desc, id desc"), {std::nullopt, "7f3c"});

  ASSERT_OK_AND_ASSIGN(const ListQuery list,
                       ListQuery::Make(Spec(), {.page_token = token}, Signer()));

  EXPECT_EQ(list.Sql("o.note", "shop.orders o"),
            "SELECT o.note, (o.sold_at)::text AS page_key_0, (o.id)::text AS page_key_1"
            " FROM shop.orders o WHERE TRUE AND ((o.sold_at) IS NULL AND ((o.id) < $1::uuid))"
            " ORDER BY (o.sold_at) DESC NULLS LAST, (o.id) DESC LIMIT 51");
  EXPECT_EQ(list.Params().size(), 1u);
}

TEST(ListQuery, TokenIsBoundToFilterOrderScopeAndMethod) {
  const std::string token = Signer().Sign(QueryText("", "total asc, id asc"), {"9.50", "7f3c"});
  const auto make = [&](const ListSpec& spec, ListRequest request) {
    request.page_token = token;
    return ListQuery::Make(spec, request, Signer()).status();
  };
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(Reason("PAGE_TOKEN_INVALID"), HasField("page_token")));
  ListSpec other_method = Spec();
  other_method.method = "ListReturns";

  EXPECT_OK(make(Spec(), {.order_by = "total"}));
  EXPECT_OK(make(Spec(), {.order_by = " total  ASC, id", .page_size = 7}));
  EXPECT_THAT(make(Spec(), {}), refused);
  EXPECT_THAT(make(Spec(), {.order_by = "total desc"}), refused);
  EXPECT_THAT(make(Spec(), {.filter = "status = x", .order_by = "total"}), refused);
  EXPECT_THAT(make(Spec(), {.order_by = "total", .scope = "parent"}), refused);
  EXPECT_THAT(make(other_method, {.order_by = "total"}), refused);
}

TEST(ListQuery, ReportsEveryBadField) {
  const auto list = ListQuery::Make(
      Spec(), {.filter = "colour = red", .order_by = "colour", .page_size = -1}, Signer());

  EXPECT_THAT(list, StatusIs(absl::StatusCode::kInvalidArgument,
                             AllOf(HasField("filter"), HasField("order_by"), HasField("page_size"),
                                   Reason("PAGE_SIZE_NEGATIVE"))));
}

}  // namespace
}  // namespace lockstep::paging
