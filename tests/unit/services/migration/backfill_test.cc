// Backfills as declared: what is refused, and the SQL that becomes of them.
#include "services/migration/engine/backfill.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/definitions.h"
#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class BackfillTest : public ::testing::Test {
 protected:
  // What loading finds wrong with a revision of catalog whose only step is this backfill.
  std::vector<std::string> ProblemsOf(const std::string& backfill, const std::string& up = "") {
    folder_.Write("catalog/aaaa_x/revision.textproto",
                  "id: \"aaaa\"\ntitle: \"t\"\nservice: \"catalog\"\ncreated: \"2025-10-01\"\n"
                  "phase: PHASE_MIGRATE\nsteps { name: \"fill\" kind: STEP_KIND_BACKFILL " +
                      std::string(up.empty() ? "" : "expect_file: \"expect.sql\" ") +
                      "backfill { " + backfill + " } }\n");
    folder_.Write("catalog/aaaa_x/verify.sql", "SELECT 1 WHERE false;\n");
    if (!up.empty()) {
      folder_.Write("catalog/aaaa_x/01_fill.up.sql", up);
      folder_.Write("catalog/aaaa_x/expect.sql", "SELECT 'a', 'b', 'b';\n");
    }
    LoadOptions options;
    options.cache = CacheMode::kOff;
    loaded_ = InspectDefinitions(folder_.root(), options);
    std::vector<std::string> messages;
    for (const Problem& problem : loaded_.problems) messages.push_back(problem.message);
    return messages;
  }
  const Step& TheStep() const { return loaded_.definitions.revisions.at(0).steps.at(0); }

  static constexpr char kKey[] = "table: \"core.t\" key: \"id\" ";
  MigrationsFolder folder_;
  LoadResult loaded_;
};

TEST_F(BackfillTest, BecomesOneUpdateOfARange) {
  EXPECT_THAT(ProblemsOf(std::string(kKey) +
                         "set { column: \"b\" expression: \"upper(a)\" } where: \"a <> ''\" "
                         "trigger: \"t_sync\""),
              IsEmpty());
  ASSERT_EQ(TheStep().up.statements.size(), 1U);
  EXPECT_EQ(BindRange(TheStep().up.statements[0], "'1'::bigint", "'9'::bigint"),
            "UPDATE \"core\".\"t\"\n   SET \"b\" = (upper(a)\n)\n WHERE \"id\" >= '1'::bigint  AND "
            "\"id\" <= '9'::bigint \n   AND (a <> ''\n)");
  EXPECT_THAT(TheStep().down.statements,
              ElementsAre(StartsWith("DROP TRIGGER IF EXISTS \"t_sync\" ON \"core\".\"t\""),
                          StartsWith("DROP FUNCTION IF EXISTS \"core\".\"t_sync\"()")));
}

TEST_F(BackfillTest, TriggerRunsWithTheOwnersRightsAndAFixedPath) {
  Backfill backfill;
  backfill.table = "core.t";
  EXPECT_THAT(CreateSyncStatements(backfill), IsEmpty());
  backfill.key = {"id"};
  backfill.set = {{"b", "a"}};
  backfill.trigger = "s";
  const auto statements = CreateSyncStatements(backfill);
  ASSERT_EQ(statements.size(), 5U);
  EXPECT_THAT(statements[0], HasSubstr("LIMIT 0"));
  EXPECT_THAT(statements[1], StartsWith("EXPLAIN UPDATE"));
  EXPECT_THAT(statements[2],
              AllOf(HasSubstr("SECURITY DEFINER"), HasSubstr("SET search_path = pg_catalog")));
  EXPECT_THAT(statements[3], StartsWith("REVOKE ALL ON FUNCTION \"core\".\"s\"()"));
  EXPECT_THAT(statements[4], AllOf(HasSubstr("BEFORE INSERT OR UPDATE"),
                                   HasSubstr("WHEN (pg_catalog.current_setting("
                                             "'lockstep.backfill', true)")));
}

TEST_F(BackfillTest, PlaceholdersAreTokens) {
  EXPECT_EQ(
      WithParameters("SELECT ':lo', x::lower, a[1], \":hi\" /* :lo */ WHERE id > :lo AND id<:hi"),
      "SELECT ':lo', x::lower, a[1], \":hi\" /* :lo */ WHERE id > $1  AND id<$2 ");
  EXPECT_TRUE(HasRange("DELETE FROM t WHERE id BETWEEN $1 AND $2"));
  EXPECT_FALSE(HasRange("DELETE FROM t WHERE id = $1"));
  EXPECT_EQ(BindRange("a = $1 AND b = '$1' AND c = $10", "x", "y"),
            "a = x AND b = '$1' AND c = $10");
}

TEST_F(BackfillTest, ColumnsOfAnExpression) {
  EXPECT_THAT(ColumnsOf("coalesce(t.a, b) || (SELECT max(c) FROM x WHERE d = 'e')"),
              UnorderedElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(ColumnsOf("not ( sql"), IsEmpty());
}

TEST_F(BackfillTest, RefusesWhatWouldChangeTwice) {
  EXPECT_THAT(ProblemsOf(std::string(kKey) + "set { column: \"n\" expression: \"n + 1\" } "
                                             "trigger: \"s\""),
              ElementsAre(HasSubstr("applied twice it would change twice"),
                          HasSubstr("column n is set from itself")));
  EXPECT_THAT(
      ProblemsOf(std::string(kKey) + "set { column: \"b\" expression: \"a\" } where: \"b IS "
                                     "NULL\" trigger: \"s\""),
      ElementsAre(HasSubstr("where reads b")));
  EXPECT_THAT(ProblemsOf(std::string(kKey) + "uncovered_reason: \"x\"",
                         "INSERT INTO core.c SELECT id FROM core.t WHERE id >= :lo AND id <= :hi;"),
              ElementsAre(HasSubstr("an INSERT needs ON CONFLICT")));
}

TEST_F(BackfillTest, RefusesWhatDependsOnMoreThanTheRow) {
  EXPECT_THAT(
      ProblemsOf(std::string(kKey) +
                 "set { column: \"b\" expression: \"coalesce(a, CURRENT_DATE)\" } trigger: \"s\""),
      ElementsAre(HasSubstr("only depend on the row itself, not on now")));
  EXPECT_THAT(
      ProblemsOf(std::string(kKey) + "set { column: \"b\" expression: \"(SELECT max(a) FROM "
                                     "core.t)\" } trigger: \"s\""),
      ElementsAre(HasSubstr("not on (a sub-query)")));
  EXPECT_THAT(
      ProblemsOf(std::string(kKey) + "uncovered_reason: \"x\"",
                 "INSERT INTO core.c AS c SELECT id, n FROM core.t WHERE id BETWEEN :lo AND :hi "
                 "ON CONFLICT (id) DO UPDATE SET n = c.n + excluded.n;"),
      ElementsAre(HasSubstr("column n is set from itself")));
}

TEST_F(BackfillTest, RefusesWhatDoesNotFitTogether) {
  EXPECT_THAT(ProblemsOf(std::string(kKey) + "set { column: \"b\" expression: \"a\" }"),
              ElementsAre(HasSubstr("either a trigger covers rows")));
  EXPECT_THAT(ProblemsOf("table: \"transactions.orders\" key: \"id\" set { column: \"b\" "
                         "expression: \"a\" } trigger: \"s\""),
              Not(IsEmpty()));
  EXPECT_THAT(
      ProblemsOf(std::string(kKey) + "set { column: \"b\" expression: \"a\" } trigger: "
                                     "\"s\" workers: 99 batch { min_rows: 10 max_rows: 5 }"),
      ElementsAre(HasSubstr("workers must be from 1 to 8"),
                  HasSubstr("min_rows is above batch.max_rows")));
  EXPECT_THAT(ProblemsOf(std::string(kKey) + "uncovered_reason: \"x\"",
                         "UPDATE core.t SET b = 1 WHERE id > :lo;"),
              ElementsAre(HasSubstr("must name both ends of its batch")));
  EXPECT_THAT(ProblemsOf(std::string(kKey) + "uncovered_reason: \"x\"",
                         "UPDATE core.t SET b = core.own(a) WHERE id BETWEEN :lo AND :hi;"),
              ElementsAre(HasSubstr("only call functions of PostgreSQL itself")));
}

TEST_F(BackfillTest, ChecksumKnowsWhatItDoesNotHowFast) {
  const std::string base =
      std::string(kKey) + "set { column: \"b\" expression: \"upper(a)\" } trigger: \"s\" ";
  ProblemsOf(base);
  const std::string checksum = TheStep().checksum;
  ProblemsOf(base + "workers: 4 batch { target_ms: 50 } hold { probe_ms: 5 }");
  EXPECT_EQ(TheStep().checksum, checksum);
  ProblemsOf(std::string(kKey) +
             "set { column: \"b\" expression: \"upper( a ) /* same */\" } "
             "trigger: \"s\" ");
  EXPECT_EQ(TheStep().checksum, checksum);
  ProblemsOf(std::string(kKey) + "set { column: \"b\" expression: \"lower(a)\" } trigger: \"s\" ");
  EXPECT_NE(TheStep().checksum, checksum);
}

}  // namespace
}  // namespace lockstep::migration
