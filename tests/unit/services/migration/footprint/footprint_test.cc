#include "services/migration/footprint/footprint.h"

#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/services/migration/footprint/suite.h"

namespace lockstep::migration::footprint {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

class FootprintTest : public ::testing::Test {
 protected:
  FootprintTest() {
    AddSuite(folder_);
    LoadResult loaded = folder_.Inspect();
    EXPECT_THAT(loaded.problems, IsEmpty());
    definitions_ = std::move(loaded.definitions);
    catalog_ = BuildCatalog(definitions_);
  }

  std::set<std::string, std::less<>> Names(const std::string& source) {
    problems_.clear();
    return ReadFootprint(definitions_, catalog_, {{"a.cc", source}}, problems_).Names();
  }

  const MigrationsFolder folder_;
  Definitions definitions_;
  Catalog catalog_;
  std::vector<Problem> problems_;
};

TEST_F(FootprintTest, FindsRelationsAndColumns) {
  EXPECT_THAT(
      Names("tx.One(\"SELECT o.status FROM\"\n \" transactions.orders o WHERE o.id = $1\");"),
      ElementsAre("transactions.orders", "transactions.orders.id", "transactions.orders.status"));
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(FootprintTest, PiecesMayBeAnywhere) {
  EXPECT_THAT(Names("kTable = \"core.platforms\"; Filter(\"slug\", \"t.slug\"); \"'it''s \" + x"),
              ElementsAre("core.platforms", "core.platforms.slug"));
}

TEST_F(FootprintTest, FoldsNamesAsPostgreSqlDoes) {
  EXPECT_THAT(Names("\"SELECT SLUG FROM Core.Platforms\""),
              ElementsAre("core.platforms", "core.platforms.slug"));
  EXPECT_THAT(Names("R\"(SELECT \"slug\" FROM \"core\".\"platforms\")\""),
              ElementsAre("core.platforms", "core.platforms.slug"));
  EXPECT_THAT(Names("R\"(SELECT \"SLUG\" FROM core.platforms)\""), ElementsAre("core.platforms"));
}

TEST_F(FootprintTest, AStarIsEveryColumn) {
  for (const char* sql :
       {"SELECT * FROM core.platforms", "SELECT p.* FROM core.platforms AS p",
        "DELETE FROM core.platforms RETURNING *", "SELECT to_jsonb(p) FROM core.platforms p",
        "SELECT to_jsonb(platforms) FROM core.platforms", "TABLE core.platforms",
        "COPY core.platforms FROM STDIN", "INSERT INTO core.platforms VALUES ($1, $2, $3)"}) {
    EXPECT_THAT(Names("\"" + std::string(sql) + "\""),
                ElementsAre("core.platforms", "core.platforms.active", "core.platforms.id",
                            "core.platforms.slug"))
        << sql;
  }
}

TEST_F(FootprintTest, AStarWithoutATableIsEveryColumnOfAll) {
  EXPECT_THAT(Names("\"SELECT * FROM \" + table; table = \"core.platforms\";"),
              Contains("core.platforms.active"));
  EXPECT_THAT(Names("columns = \"t.*\"; table = \"core.platforms\";"),
              Contains("core.platforms.active"));
}

TEST_F(FootprintTest, OtherStarsAreNone) {
  for (const char* sql :
       {"SELECT count(*), 2 * 3 FROM core.platforms",
        "SELECT * FROM (\" + inner + \") AS s\", \"core.platforms",
        "SELECT u.* FROM unnest($1) AS u (x), core.platforms AS p WHERE p.slug = u.x"}) {
    EXPECT_THAT(Names("\"" + std::string(sql) + "\""), Not(Contains("core.platforms.active")))
        << sql;
  }
}

TEST_F(FootprintTest, NamesWhatNobodyMakes) {
  Names("\n\"SELECT id\"\n\" FROM transactions.ordrs\"");

  ASSERT_EQ(problems_.size(), 1U);
  EXPECT_THAT(problems_[0].text(), HasSubstr("a.cc:3: transactions.ordrs does not exist"));
  EXPECT_EQ(problems_[0].code, "RELATION_UNKNOWN");
  Names("\"transactions.orders.notez\"");
  ASSERT_EQ(problems_.size(), 1U);
  EXPECT_EQ(problems_[0].code, "COLUMN_UNKNOWN");
}

TEST_F(FootprintTest, RefusesRelationsThatAreNamedAtRunTime) {
  for (const char* source : {"\"transactions.\" + name", "f(\"SELECT id FROM core.%s\")",
                             "\"SELECT id FROM core.\" + name"}) {
    Names(source);
    ASSERT_EQ(problems_.size(), 1U) << source;
    EXPECT_EQ(problems_[0].code, "NAME_COMPOSED");
  }
}

TEST_F(FootprintTest, ProseIsNoSql) {
  Names("f(\"this is the job of finance. Ask core.\", \"lockstep.finance.v1\", \"pg_catalog.x\")");

  EXPECT_THAT(problems_, IsEmpty());
}

}  // namespace
}  // namespace lockstep::migration::footprint
