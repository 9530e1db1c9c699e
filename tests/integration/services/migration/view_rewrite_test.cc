// View rewrites: what counts as equal, and what the run refuses.
#include <string>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/view_rewrite_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kByShop[] =
    "SELECT s.shop, count(*) AS sales, sum(s.price)::numeric(12,2) AS revenue, min(s.sold_at) AS "
    "first FROM $T AS s WHERE s.price > 0 GROUP BY s.shop";

class ViewRewriteTest : public ViewRewriteFixture {};

TEST_F(ViewRewriteTest, EqualDefinitionsAreSwappedAndGoBack) {
  MakeTables("CREATE VIEW core.v AS " + Over("core.old_sales", kByShop) +
             ";\nGRANT SELECT ON core.v TO catalog_app;\nCOMMENT ON VIEW core.v IS 'by shop';");
  const std::string before = DefinitionOf("core.v");
  WriteRewrite(Replace(Over("core.new_sales", kByShop)), Replace(Over("core.old_sales", kByShop)));
  ASSERT_OK(Upgrade());
  EXPECT_THAT(DefinitionOf("core.v"), HasSubstr("new_sales"));
  EXPECT_THAT(Evidence(), HasSubstr("view core.v: 6 rows, hash "));
  EXPECT_THAT(sink_.Messages("view_compared"),
              ElementsAre(HasSubstr("core.v: equal on these rows, 6 rows")));
  EXPECT_EQ(db_.QueryText("SELECT has_table_privilege('catalog_app', 'core.v', 'SELECT')"
                          " || obj_description('core.v'::regclass)"),
            "trueby shop");
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");

  // Going back needs no evidence: what was there is what it was.
  db_.Execute("DELETE FROM core.new_sales WHERE id > 100");
  ASSERT_OK(Downgrade("aaaa"));
  EXPECT_EQ(DefinitionOf("core.v"), before);
}

TEST_F(ViewRewriteTest, ADifferenceIsShownAndChangesNothing) {
  MakeTables("CREATE VIEW core.v AS " + Over("core.old_sales", kByShop));
  db_.Execute("UPDATE core.new_sales SET price = price + 0.01 WHERE id = 2");
  const std::string before = DefinitionOf("core.v");
  WriteRewrite(Replace(Over("core.new_sales", kByShop)), Replace(Over("core.old_sales", kByShop)));
  EXPECT_THAT(Upgrade().status(), AllOf(Reason("VIEW_DIFFERS"),
                                        Says(AllOf(HasSubstr("1 rows only in the old definition: "),
                                                   HasSubstr("1 rows only in the new definition: "),
                                                   HasSubstr("shop 2")))));
  EXPECT_EQ(DefinitionOf("core.v"), before);
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  db_.Execute("UPDATE core.new_sales SET price = price - 0.01 WHERE id = 2");
  ASSERT_OK(Upgrade());
}

struct Mutant {
  std::string name;
  std::string old_query;
  std::string new_query;
};

// As `base`, but for one change.
Mutant Of(std::string name, const std::string& base, const std::string& was,
          const std::string& is) {
  std::string changed = base;
  changed.replace(changed.find(was), was.size(), is);
  return {std::move(name), base, changed};
}

constexpr char kRows[] =
    "SELECT s.id, s.shop, s.price, s.raw_price, s.fee, s.lasted, s.note, s.code, s.tags, s.paid, "
    "(s.sold_at AT TIME ZONE 'UTC')::date AS day FROM $T AS s WHERE s.id <= 400";

class MutantTest : public ViewRewriteFixture, public ::testing::WithParamInterface<Mutant> {};

TEST_P(MutantTest, IsCaught) {
  const Mutant& mutant = GetParam();
  MakeTables("CREATE VIEW core.v AS " + Over("core.old_sales", mutant.old_query));
  const std::string before = DefinitionOf("core.v");
  // The honest one is not accused.
  WriteRewrite(Replace(Over("core.new_sales", mutant.old_query)),
               Replace(Over("core.old_sales", mutant.old_query)));
  ASSERT_OK(Upgrade());
  ASSERT_OK(Downgrade("aaaa"));
  ASSERT_EQ(DefinitionOf("core.v"), before);

  // CREATE OR REPLACE could not change types: that is to be told, not tried.
  WriteRewrite(
      "DROP VIEW core.v;\nCREATE VIEW core.v AS " + Over("core.new_sales", mutant.new_query) + ";",
      Replace(Over("core.old_sales", mutant.old_query)));
  EXPECT_THAT(Upgrade().status(), Reason("VIEW_DIFFERS"));
  EXPECT_EQ(DefinitionOf("core.v"), before);
}

INSTANTIATE_TEST_SUITE_P(
    Views, MutantTest,
    ::testing::Values(
        Of("duplicate_rows", kRows, " WHERE ", " CROSS JOIN (VALUES (1), (2)) AS twice (n) WHERE "),
        Of("one_duplicate", kRows, " WHERE s.id <= 400",
           " JOIN (VALUES (1), (1)) AS w (n) ON s.id > 1 OR w.n = 1 WHERE s.id BETWEEN 1 AND 1"
           " UNION ALL SELECT s.id, s.shop, s.price, s.raw_price, s.fee, s.lasted, s.note, s.code,"
           " s.tags, s.paid, (s.sold_at AT TIME ZONE 'UTC')::date FROM $T AS s WHERE s.id BETWEEN 2"
           " AND 400"),
        Of("lost_row", kRows, "s.id <= 400", "s.id <= 400 AND s.id <> 77"),
        Of("filter_off_by_one", kRows, "s.id <= 400", "s.id < 400"),
        Of("null_lost_in_filter", kRows, "s.id <= 400", "s.id <= 400 AND s.shop <> 'none'"),
        Of("null_join", kRows, " WHERE ",
           " JOIN $T AS other ON other.id = s.id AND other.paid = "
           "s.paid WHERE "),
        Of("null_to_empty", kRows, "s.shop", "coalesce(s.shop, '') AS shop"),
        Of("type_wider", kRows, "s.price,", "s.price::numeric(12,2) AS price,"),
        Of("type_other", kRows, "s.code,", "s.code::text AS code,"),
        Of("scale_only", kRows, "s.raw_price", "round(s.raw_price, 2) AS raw_price"),
        Of("rounded", kRows, "s.fee", "round(s.fee::numeric, 1)::double precision AS fee"),
        Of("negative_zero", kRows, "s.fee",
           "CASE WHEN s.fee = 0 THEN '-0'::double precision ELSE s.fee END AS fee"),
        Of("interval_of_days", kRows, "s.lasted", "justify_hours(s.lasted) AS lasted"),
        Of("json_text", kRows, "s.note", "(s.note::text || ' ')::json AS note"),
        Of("array_order", kRows, "s.tags", "s.tags || 't'::text AS tags"),
        Of("time_zone", kRows, "'UTC'", "'Europe/Berlin'"),
        Of("case_of_text", kRows, "s.shop", "upper(s.shop) AS shop"),
        Of("values_of_two_rows_exchanged", kRows, "s.price,",
           "(SELECT o.price FROM $T AS o WHERE o.id = CASE s.id WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE "
           "s.id "
           "END) AS price,"),
        Of("values_of_neighbours_exchanged", kRows, "s.price,",
           "(SELECT o.price FROM $T AS o WHERE o.id = s.id - 1 + 2 * (s.id % 2)) AS price,"),
        Of("values_shifted_by_a_row", kRows, "s.price,",
           "(SELECT o.price FROM $T AS o WHERE o.id = 1 + s.id % 400) AS price,"),
        Of("zone_of_the_session", kRows, "(s.sold_at AT TIME ZONE 'UTC')::date", "s.sold_at::date"),
        Of("columns_swapped", kRows, "s.price, s.raw_price,",
           "s.raw_price::numeric(10,2) AS price, s.price::numeric AS raw_price,"),
        Of("column_renamed", kRows, "s.paid", "s.paid AS was_paid"),
        Of("column_added", kRows, "s.paid", "s.paid, 1 AS one"),
        Of("collation", kRows, "s.shop", "s.shop COLLATE \"C\" AS shop"),
        Of("distinct_count", kByShop, "count(*)", "count(DISTINCT s.price)"),
        Of("inner_filter", kByShop, "s.price > 0", "s.price >= 0"),
        Of("mean_for_sum", kByShop, "sum(s.price)",
           "(round(avg(s.price), 1) * count(s.price))"
           "")),
    [](const auto& tested) { return tested.param.name; });

TEST_F(ViewRewriteTest, OnlyDeclaredRowsAreCompared) {
  MakeTables("CREATE VIEW core.v AS " + Over("core.old_sales", kByShop));
  db_.Execute("INSERT INTO core.new_sales (id, shop, price) VALUES (1000, 'newcomer', 5)");
  const std::string old_rows = "rows { relation: \"core.old_sales\" where: \"id <= 500\" } ";
  const std::string new_rows = "rows { relation: \"core.new_sales\" where: \"id <= 500\" } ";
  WriteRewrite(Replace(Over("core.new_sales", kByShop)), Replace(Over("core.old_sales", kByShop)));
  EXPECT_THAT(Upgrade().status(), Reason("VIEW_DIFFERS"));
  // A restriction that restricts nothing is a mistake.
  WriteRewrite(Replace(Over("core.new_sales", kByShop)), Replace(Over("core.old_sales", kByShop)),
               new_rows + "rows { relation: \"core.sales\" where: \"id <= 500\" } ");
  EXPECT_THAT(Upgrade().status(), Reason("VIEW_REWRITE_INVALID"));
  WriteRewrite(Replace(Over("core.new_sales", kByShop)), Replace(Over("core.old_sales", kByShop)),
               old_rows + new_rows);
  ASSERT_OK(Upgrade());
  EXPECT_THAT(sink_.Messages("view_rows"),
              Contains("of core.new_sales only these rows are compared: id <= 500"));
  // The view itself shows all of them.
  EXPECT_EQ(db_.QueryText("SELECT sales FROM core.v WHERE shop = 'newcomer'"), "1");
}

TEST_F(ViewRewriteTest, TolerancesAndColumnsThatAreMeantToChange) {
  constexpr char kMeans[] =
      "SELECT s.shop, avg(s.price) AS mean, max(s.id) AS last FROM $T AS s "
      "WHERE s.shop IS NOT NULL GROUP BY s.shop";
  MakeTables("CREATE VIEW core.v AS " + Over("core.old_sales", kMeans));
  db_.Execute(
      "UPDATE core.new_sales SET price = price + 0.5 WHERE id = 1;"
      "UPDATE core.new_sales SET id = 9000 WHERE id = 500;");
  const std::string up = Replace(Over("core.new_sales", kMeans));
  const std::string down = Replace(Over("core.old_sales", kMeans));
  const std::string view = "views { view: \"core.v\" except_columns: \"last\" key: \"shop\" ";
  WriteRewrite(up, down, view + "tolerances { column: \"mean\" within: \"0.001\" } }");
  EXPECT_THAT(Upgrade().status(),
              AllOf(Reason("VIEW_DIFFERS"), Says(HasSubstr("1 rows out of tolerance: "))));
  WriteRewrite(up, down,
               "views { view: \"core.v\" except_columns: \"last\" except_columns: \"shop\" key: "
               "\"last\" tolerances { column: \"mean\" within: \"0.01\" } }");
  EXPECT_THAT(folder_.Problems(), Contains(HasSubstr("column last stands there twice")));
  WriteRewrite(up, down, view + "tolerances { column: \"mean\" within: \"0.01\" } }");
  ASSERT_OK(Upgrade());
  EXPECT_THAT(sink_.Messages("view_compared"),
              Contains(HasSubstr("without last; mean within 0.01")));
}

TEST_F(ViewRewriteTest, WhatCannotBeComparedIsRefused) {
  MakeTables(
      "CREATE VIEW core.inner_v AS SELECT s.id, random() AS r FROM core.old_sales AS s;\n"
      "CREATE VIEW core.v AS SELECT s.id FROM core.old_sales AS s;");
  const auto refusal = [&](const std::string& query, const std::string& more = "") {
    WriteRewrite(Replace(query), Replace("SELECT s.id FROM core.old_sales AS s"), more);
    return Upgrade().status();
  };
  const auto incomparable = [](const char* why) {
    return AllOf(Reason("VIEW_INCOMPARABLE"), Says(HasSubstr(why)));
  };
  EXPECT_THAT(refusal("SELECT s.id FROM core.new_sales AS s WHERE random() < 2"),
              incomparable("random() is volatile"));
  EXPECT_THAT(refusal("SELECT s.id FROM core.new_sales AS s JOIN core.inner_v AS i USING (id)"),
              incomparable("random() is volatile"));
  EXPECT_THAT(refusal("SELECT s.id FROM core.new_sales AS s LIMIT 5"), incomparable("no ORDER BY"));
  EXPECT_THAT(refusal("SELECT s.id FROM core.new_sales AS s ORDER BY s.price LIMIT 5"),
              incomparable("several tie for the last place"));
  EXPECT_THAT(
      refusal("SELECT s.id FROM (SELECT * FROM core.new_sales AS s ORDER BY id LIMIT 5) AS s"),
      incomparable("a LIMIT inside"));
  EXPECT_THAT(refusal("SELECT s.id FROM core.new_sales AS s TABLESAMPLE system (50)"),
              incomparable("TABLESAMPLE"));
  EXPECT_THAT(refusal("SELECT s.id FROM core.new_sales AS s ORDER BY s.id LIMIT 5"),
              Reason("VIEW_DIFFERS"));
  EXPECT_THAT(refusal("SELECT s.id FROM core.new_sales AS s ORDER BY s.id LIMIT 5",
                      "views { view: \"core.v\" without_limit: true }"),
              IsOk());
}

TEST_F(ViewRewriteTest, BadDeclarationsAreRefusedAtLoad) {
  MakeTables("CREATE VIEW core.v AS SELECT s.id FROM core.old_sales AS s;");
  const std::string good = Replace("SELECT s.id FROM core.new_sales AS s");
  const auto refusal = [&](const std::string& up, const std::string& more = "") {
    WriteRewrite(up, good, more);
    return ::testing::PrintToString(folder_.Problems());
  };
  EXPECT_THAT(refusal("DROP VIEW core.v;"), HasSubstr("is dropped and not made again"));
  EXPECT_THAT(refusal("CREATE VIEW core.v AS SELECT 1 AS id;"), HasSubstr("not dropped before"));
  EXPECT_THAT(refusal("DROP VIEW core.v CASCADE; CREATE VIEW core.v AS SELECT 1 AS id;"),
              HasSubstr("without IF EXISTS and CASCADE"));
  EXPECT_THAT(refusal(good + "UPDATE core.new_sales SET price = 1;"),
              HasSubstr("a view rewrite holds"));
  EXPECT_THAT(refusal(good, "views { view: \"core.w\" without_limit: true }"),
              HasSubstr("core.w is not made by step views"));
  EXPECT_THAT(refusal(good,
                      "rows { relation: \"core.new_sales\" where: \"id IN (SELECT o.id FROM "
                      "transactions.orders AS o)\" }"),
              HasSubstr("SQL_UNDECLARED_REFERENCE"));
}

}  // namespace
}  // namespace lockstep::migration
