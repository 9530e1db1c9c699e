// View rewrites: what belongs to a view and what hangs on it survives a drop.
#include <string>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/view_rewrite_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kQuery[] = "SELECT s.id, s.shop, s.price FROM $T AS s";

class ViewSwapTest : public ViewRewriteFixture {
 protected:
  // Everything that the catalog has of the views of core but for the definition of core.v.
  std::string Belongings() const {
    return db_.QueryText(
        "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ("
        "SELECT format('%s %s %s %s %s', c.relname, c.relkind, c.relacl, c.reloptions,"
        "              obj_description(c.oid, 'pg_class')) AS line"
        "  FROM pg_class AS c WHERE c.relnamespace = 'core'::regnamespace AND c.relkind IN ('v', "
        "'m')"
        " UNION ALL SELECT format('%s.%s %s %s %s', c.relname, a.attname, a.attacl,"
        "              col_description(c.oid, a.attnum), pg_get_expr(d.adbin, d.adrelid))"
        "  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
        "  LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum"
        " WHERE c.relnamespace = 'core'::regnamespace AND c.relkind IN ('v', 'm')"
        " UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'core' AND tablename !~ "
        "'sales'"
        " UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'v_insert'"
        " UNION ALL SELECT view_definition FROM information_schema.views"
        "  WHERE table_schema = 'core' AND table_name <> 'v'"
        " UNION ALL SELECT definition FROM pg_matviews) AS lines");
  }
  static constexpr char kViews[] =
      "CREATE VIEW core.v WITH (security_barrier = true) AS SELECT s.id, s.shop, s.price FROM "
      "core.old_sales AS s;\n"
      "COMMENT ON VIEW core.v IS 'it''s sales'; COMMENT ON COLUMN core.v.shop IS 'where';\n"
      "GRANT SELECT ON core.v TO catalog_app WITH GRANT OPTION; GRANT UPDATE (price) ON core.v TO "
      "finance_app;\n"
      "ALTER VIEW core.v ALTER COLUMN shop SET DEFAULT 'somewhere';\n"
      "CREATE FUNCTION core.v_insert() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; "
      "END';\n"
      "CREATE TRIGGER v_insert INSTEAD OF INSERT ON core.v FOR EACH ROW EXECUTE FUNCTION "
      "core.v_insert();\n"
      "CREATE VIEW core.by_shop AS SELECT v.shop, sum(v.price) AS revenue FROM core.v AS v GROUP "
      "BY "
      "v.shop;\n"
      "COMMENT ON VIEW core.by_shop IS 'sums'; GRANT SELECT ON core.by_shop TO catalog_app;\n"
      "CREATE MATERIALIZED VIEW core.kept WITH (fillfactor = 80) AS SELECT b.shop, b.revenue FROM "
      "core.by_shop AS b;\n"
      "CREATE UNIQUE INDEX kept_shop ON core.kept (shop); COMMENT ON INDEX core.kept_shop IS 'one "
      "row each';\n"
      "CREATE INDEX kept_revenue ON core.kept (revenue DESC) WHERE revenue > 0;\n"
      "GRANT SELECT ON core.kept TO finance_app;\n"
      "CREATE MATERIALIZED VIEW core.empty_kept AS SELECT k.shop FROM core.kept AS k WITH NO DATA;";
};

TEST_F(ViewSwapTest, DependentsComeBackWithAllThatBelongsToThem) {
  MakeTables(kViews);
  const std::string before = Belongings();
  WriteRewrite("DROP VIEW core.v;\nCREATE VIEW core.v WITH (security_barrier = true) AS " +
                   Over("core.new_sales", kQuery) + ";",
               "DROP VIEW core.v;\nCREATE VIEW core.v WITH (security_barrier = true) AS " +
                   Over("core.old_sales", kQuery) + ";");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Belongings(), before);
  EXPECT_THAT(DefinitionOf("core.v"), HasSubstr("new_sales"));
  EXPECT_THAT(
      sink_.Messages("view_made_again"),
      ElementsAre(HasSubstr("core.empty_kept"), HasSubstr("core.kept"), HasSubstr("core.by_shop")));
  EXPECT_EQ(db_.QueryText("SELECT relispopulated FROM pg_class WHERE relname = 'empty_kept'"), "f");
  ASSERT_OK(Downgrade("aaaa"));
  EXPECT_EQ(Belongings(), before);
  EXPECT_THAT(DefinitionOf("core.v"), HasSubstr("old_sales"));
}

TEST_F(ViewSwapTest, OrReplaceKeepsTheOptions) {
  MakeTables(kViews);
  const std::string before = Belongings();
  WriteRewrite(Replace(Over("core.new_sales", kQuery)), Replace(Over("core.old_sales", kQuery)));
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Belongings(), before);
}

TEST_F(ViewSwapTest, AViewBecomesMaterialized) {
  MakeTables("CREATE VIEW core.v AS " + Over("core.old_sales", kQuery) +
             ";\nCOMMENT ON VIEW core.v IS 'sales'; COMMENT ON COLUMN core.v.id IS 'number';\n"
             "GRANT SELECT ON core.v TO catalog_app;");
  WriteRewrite("DROP VIEW core.v;\nCREATE MATERIALIZED VIEW core.v AS " +
                   Over("core.new_sales", kQuery) + ";\nCREATE UNIQUE INDEX v_id ON core.v (id);\n",
               "DROP MATERIALIZED VIEW core.v;\n" +
                   ("CREATE VIEW core.v AS " + Over("core.old_sales", kQuery)) + ";");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(db_.QueryText("SELECT c.relkind::text || obj_description(c.oid, 'pg_class')"
                          " || col_description(c.oid, 1)"
                          " || has_table_privilege('catalog_app', c.oid, 'SELECT')"
                          " FROM pg_class AS c WHERE c.oid = 'core.v'::regclass"),
            "msalesnumbertrue");
  db_.Execute("REFRESH MATERIALIZED VIEW CONCURRENTLY core.v");
  ASSERT_OK(Downgrade("aaaa"));
  EXPECT_EQ(db_.QueryText("SELECT c.relkind::text || obj_description(c.oid, 'pg_class')"
                          " FROM pg_class AS c WHERE c.oid = 'core.v'::regclass"),
            "vsales");
}

TEST_F(ViewSwapTest, WhatMayNotBeMadeAgainIsNamed) {
  MakeTables(
      "CREATE VIEW core.v AS " + Over("core.old_sales", kQuery) +
      ";\nCREATE FUNCTION core.first_of() RETURNS SETOF core.v LANGUAGE sql AS 'SELECT * FROM "
      "core.v LIMIT 1';");
  WriteRewrite("DROP VIEW core.v;\nCREATE VIEW core.v AS " + Over("core.new_sales", kQuery) + ";",
               Replace(Over("core.old_sales", kQuery)));
  EXPECT_THAT(Upgrade().status(),
              AllOf(Reason("VIEW_IN_USE"), Says(HasSubstr("function core.first_of()"))));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(ViewSwapTest, AnotherOwnersViewIsNotTouched) {
  MakeTables("CREATE VIEW core.v AS " + Over("core.old_sales", kQuery) + ";");
  db_.Execute("CREATE VIEW analytics.theirs AS SELECT v.id FROM core.v AS v");
  WriteRewrite("DROP VIEW core.v;\nCREATE VIEW core.v AS " + Over("core.new_sales", kQuery) + ";",
               Replace(Over("core.old_sales", kQuery)));
  EXPECT_THAT(Upgrade().status(), Says(HasSubstr("analytics.theirs")));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

}  // namespace
}  // namespace lockstep::migration
