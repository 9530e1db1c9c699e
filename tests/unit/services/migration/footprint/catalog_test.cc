#include "services/migration/footprint/catalog.h"

#include <map>
#include <string>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/definitions.h"
#include "tests/unit/services/migration/footprint/suite.h"

namespace lockstep::migration::footprint {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// One service with one table and what two further revisions do to it.
class CatalogTest : public ::testing::Test {
 protected:
  Catalog CatalogOf(const std::string& first, const std::string& second) {
    AddSql(folder_, "orders", "dddd01", "", first);
    AddSql(folder_, "orders", "dddd02", "down_revision: \"dddd01\"\n", second);
    const LoadResult loaded = folder_.Inspect();
    EXPECT_THAT(loaded.problems, IsEmpty());
    return BuildCatalog(loaded.definitions);
  }

  const MigrationsFolder folder_;
};

constexpr char kTable[] = "CREATE TABLE transactions.t (id uuid PRIMARY KEY, a text, b text);\n";

TEST_F(CatalogTest, KnowsWhoAddedAColumn) {
  const Catalog catalog = CatalogOf(kTable, "ALTER TABLE transactions.t ADD COLUMN c text;\n");

  const Relation& table = catalog.relations.at("transactions.t");
  EXPECT_EQ(table.introduced, 0U);
  EXPECT_THAT(table.columns, ElementsAre(Pair("a", 0), Pair("b", 0), Pair("c", 1), Pair("id", 0)));
  EXPECT_TRUE(table.has_all_columns);
}

TEST_F(CatalogTest, AColumnThatIsThereStaysAsItWas) {
  const Catalog catalog =
      CatalogOf(kTable, "ALTER TABLE transactions.t ADD COLUMN IF NOT EXISTS a text;\n");

  EXPECT_EQ(catalog.relations.at("transactions.t").columns.at("a"), 0U);
}

TEST_F(CatalogTest, ANewTypeOrNameIsANewShape) {
  const Catalog catalog =
      CatalogOf(kTable,
                "ALTER TABLE transactions.t ALTER COLUMN a TYPE integer USING a::integer;\n"
                "ALTER TABLE transactions.t RENAME COLUMN b TO c;\n");

  EXPECT_THAT(catalog.relations.at("transactions.t").columns,
              ElementsAre(Pair("a", 1), Pair("c", 1), Pair("id", 0)));
  EXPECT_THAT(catalog.dropped, ElementsAre(Pair("transactions.t.b", 1)));
}

TEST_F(CatalogTest, ARenamedTableKeepsItsColumns) {
  const Catalog catalog = CatalogOf(kTable, "ALTER TABLE transactions.t RENAME TO u;\n");

  EXPECT_EQ(catalog.Find("transactions.t"), nullptr);
  EXPECT_THAT(catalog.dropped, ElementsAre(Pair("transactions.t", 1)));
  EXPECT_EQ(catalog.relations.at("transactions.u").introduced, 1U);
  EXPECT_EQ(catalog.relations.at("transactions.u").columns.at("a"), 0U);
}

TEST_F(CatalogTest, ForgetsWhatIsDropped) {
  const Catalog catalog =
      CatalogOf(std::string(kTable) + "CREATE TABLE transactions.u (id uuid PRIMARY KEY);\n",
                "ALTER TABLE transactions.t DROP COLUMN a;\nDROP TABLE transactions.u;\n");

  EXPECT_FALSE(catalog.relations.at("transactions.t").columns.contains("a"));
  EXPECT_EQ(catalog.Find("transactions.u"), nullptr);
  EXPECT_THAT(catalog.dropped, ElementsAre(Pair("transactions.t.a", 1), Pair("transactions.u", 1)));
}

TEST_F(CatalogTest, NamesTheColumnsOfAView) {
  const Catalog catalog =
      CatalogOf(kTable,
                "CREATE VIEW transactions.v AS\n"
                "SELECT t.id, t.a AS named, count(*), t.b::varchar FROM transactions.t AS t GROUP "
                "BY 1, 2, 4;\n"
                "CREATE VIEW transactions.w (first) AS SELECT t.* FROM transactions.t AS t;\n");

  EXPECT_THAT(catalog.relations.at("transactions.v").columns,
              ElementsAre(Pair("b", 1), Pair("count", 1), Pair("id", 1), Pair("named", 1)));
  EXPECT_TRUE(catalog.relations.at("transactions.v").has_all_columns);
  EXPECT_TRUE(catalog.relations.at("transactions.w").columns.contains("first"));
}

TEST_F(CatalogTest, AViewThatIsReplacedIsNew) {
  const std::string view = "VIEW transactions.v AS SELECT id FROM transactions.t;\n";
  const Catalog catalog =
      CatalogOf(std::string(kTable) + "CREATE " + view, "CREATE OR REPLACE " + view);

  EXPECT_EQ(catalog.relations.at("transactions.v").introduced, 1U);
}

TEST_F(CatalogTest, AdmitsWhatItCannotTell) {
  const Catalog catalog = CatalogOf(
      kTable,
      "CREATE VIEW transactions.v AS SELECT s.* FROM (SELECT id FROM transactions.t) AS s;\n");

  EXPECT_FALSE(catalog.relations.at("transactions.v").has_all_columns);
}

TEST_F(CatalogTest, PartitionsFollowTheirTable) {
  const Catalog catalog = CatalogOf(
      "CREATE TABLE transactions.t (id uuid, at date) PARTITION BY RANGE (at);\n"
      "CREATE TABLE transactions.t_default PARTITION OF transactions.t DEFAULT;\n",
      "ALTER TABLE transactions.t ADD COLUMN c text;\n");

  EXPECT_THAT(catalog.relations.at("transactions.t_default").columns,
              ElementsAre(Pair("at", 0), Pair("c", 1), Pair("id", 0)));
}

}  // namespace
}  // namespace lockstep::migration::footprint
