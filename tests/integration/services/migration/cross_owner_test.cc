// What a DROP would take from others, or cannot because of them, is said before anything runs.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class CrossOwnerTest : public EngineTest {
 protected:
  CrossOwnerTest() {
    WriteRevision("aaaa", "",
                  {{"up.sql", "CREATE TABLE core.kept (id int PRIMARY KEY, note text, n int);"},
                   {"down.sql", "DROP TABLE core.kept;"},
                   {"verify.sql", "SELECT 1 WHERE false;"}});
    EXPECT_THAT(Upgrade(), IsOk());
    db_.Execute("CREATE VIEW analytics.v AS SELECT note FROM core.kept");
  }
  void WriteDrop(const std::string& sql) {
    WriteRevision(
        "bbbb", "down_revision: \"aaaa\"\n",
        {{"up.sql", sql}, {"down.sql", "SELECT 1;"}, {"verify.sql", "SELECT 1 WHERE false;"}});
  }
};

TEST_F(CrossOwnerTest, CascadeOverAnotherOwnersViewIsRefused) {
  WriteDrop("ALTER TABLE core.kept DROP COLUMN note CASCADE;");
  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kUp, "head"));
  ASSERT_THAT(plan.blockers, SizeIs(1));
  EXPECT_EQ(plan.blockers[0].kind, "dependent");
  EXPECT_THAT(plan.blockers[0].what, HasSubstr("view analytics.v of finance"));

  const auto refused = Upgrade();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("CROSS_OWNER_DROP")));
  EXPECT_TRUE(TableExists("analytics.v"));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(CrossOwnerTest, AnotherOwnersViewThatBlocksIsNamedBeforeTheRun) {
  WriteDrop("DROP TABLE core.kept;");
  const auto refused = Upgrade();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("DROP_BLOCKED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("view analytics.v of finance"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_failures"), "0");
}

TEST_F(CrossOwnerTest, AForeignKeyOfAnotherOwnerCountsAndOtherColumnsDoNot) {
  db_.Execute(
      "DROP VIEW analytics.v; CREATE TABLE finance.t (id int CONSTRAINT f REFERENCES"
      " core.kept)");
  WriteDrop("DROP TABLE core.kept CASCADE;");
  const auto refused = Upgrade();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("CROSS_OWNER_DROP")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("foreign key f of finance.t of finance"));
  WriteDrop("ALTER TABLE core.kept DROP COLUMN n;");
  EXPECT_THAT(Upgrade(), IsOk());
}

TEST_F(CrossOwnerTest, WhatDependsThroughOneOfTheOwnersOwnViewsCounts) {
  db_.Execute(
      "DROP VIEW analytics.v; CREATE VIEW core.own AS SELECT note FROM core.kept;"
      " CREATE VIEW analytics.v AS SELECT note FROM core.own");
  WriteDrop("DROP VIEW core.own CASCADE;");
  const auto refused = Upgrade();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("CROSS_OWNER_DROP")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("drops core.own, and CASCADE would take view"
                                                     " analytics.v of finance"));
}

// What goes, what another owner made of it, and how it is named.
struct OtherKind {
  const char* made;
  const char* drop;
  const char* reason;
  const char* told;
};

class OtherKindsTest : public CrossOwnerTest, public ::testing::WithParamInterface<OtherKind> {};

TEST_P(OtherKindsTest, AreNamedBeforeTheRun) {
  db_.Execute(std::string("DROP VIEW analytics.v; ") + GetParam().made);
  WriteDrop(GetParam().drop);
  const auto refused = Upgrade();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason(GetParam().reason)));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr(GetParam().told));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_failures"), "0");
}

INSTANTIATE_TEST_SUITE_P(
    CrossOwner, OtherKindsTest,
    ::testing::Values(
        OtherKind{"CREATE TYPE core.mood AS ENUM ('a'); CREATE TABLE finance.t (m core.mood)",
                  "DROP TYPE core.mood CASCADE;", "CROSS_OWNER_DROP",
                  "drops type core.mood, and CASCADE would take column m of table finance.t of"
                  " finance"},
        OtherKind{"CREATE DOMAIN core.code AS text; CREATE TABLE finance.t (m core.code[])",
                  "DROP DOMAIN core.code;", "DROP_BLOCKED", "column m of table finance.t"},
        OtherKind{"CREATE FUNCTION core.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
                  "CREATE FUNCTION core.f(text) RETURNS int LANGUAGE sql AS 'SELECT 1';"
                  "CREATE TABLE finance.t (n int DEFAULT core.f(1))",
                  "DROP FUNCTION core.f(integer);", "DROP_BLOCKED",
                  "default value for column n of table finance.t"},
        OtherKind{"CREATE SEQUENCE core.s;"
                  "CREATE TABLE finance.t (n int DEFAULT nextval('core.s'))",
                  "DROP SEQUENCE core.s CASCADE;", "CROSS_OWNER_DROP",
                  "default value for column n of table finance.t"},
        OtherKind{"ALTER TABLE core.kept ADD CONSTRAINT n_key UNIQUE (n);"
                  "CREATE TABLE finance.t (n int CONSTRAINT f REFERENCES core.kept (n))",
                  "ALTER TABLE core.kept DROP CONSTRAINT n_key;", "DROP_BLOCKED",
                  "drops constraint n_key of core.kept, which cannot go because of foreign key f"
                  " of finance.t of finance"},
        OtherKind{"CREATE TABLE core.parts (n int) PARTITION BY LIST (n);"
                  "CREATE TABLE finance.part PARTITION OF core.parts FOR VALUES IN (1)",
                  "DROP TABLE core.parts;", "DROP_BLOCKED", "table finance.part of finance"},
        OtherKind{"CREATE COLLATION core.de FROM \"C\";"
                  "CREATE TABLE finance.t (name text COLLATE core.de)",
                  "DROP COLLATION core.de CASCADE;", "CROSS_OWNER_DROP",
                  "drops collation core.de, and CASCADE would take column name of table finance.t"},
        OtherKind{"CREATE TABLE core.parts (n int, c int) PARTITION BY LIST (n);"
                  "CREATE TABLE core.part PARTITION OF core.parts FOR VALUES IN (1);"
                  "CREATE VIEW analytics.w AS SELECT c FROM core.part",
                  "ALTER TABLE core.parts DROP COLUMN c CASCADE;", "CROSS_OWNER_DROP",
                  "view analytics.w of finance"},
        OtherKind{"CREATE FUNCTION core.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';"
                  "CREATE TABLE core.g (n int, made int GENERATED ALWAYS AS (core.f(n)) STORED);"
                  "CREATE VIEW analytics.w AS SELECT made FROM core.g",
                  "DROP FUNCTION core.f CASCADE;", "CROSS_OWNER_DROP",
                  "view analytics.w of finance"},
        OtherKind{"CREATE TABLE finance.t (n int);"
                  "CREATE FUNCTION finance.g(core.kept) RETURNS int LANGUAGE sql AS 'SELECT 1'",
                  "DROP TABLE core.kept CASCADE;", "CROSS_OWNER_DROP",
                  "function finance.g(core.kept) of finance"}));

TEST_F(CrossOwnerTest, AnExtensionsMembersAreNotInItsWayAndIndexesOfOthersAre) {
  db_.Execute(
      "DROP VIEW analytics.v; CREATE EXTENSION pg_trgm; CREATE TABLE finance.t (name text);"
      " CREATE INDEX t_name_idx ON finance.t USING gin (name gin_trgm_ops)");
  WriteRevision("bbbb",
                "down_revision: \"aaaa\"\nsteps { name: \"x\" kind: STEP_KIND_PRIVILEGED }\n",
                {{"01_x.up.sql", "DROP EXTENSION pg_trgm;"},
                 {"01_x.down.sql", "CREATE EXTENSION pg_trgm;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  const auto refused = Upgrade();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("DROP_BLOCKED")));
  EXPECT_THAT(MessageOf(refused.status()),
              EndsWith("drops extension pg_trgm, which cannot go because of index"
                       " finance.t_name_idx of finance; let a revision of finance drop or change"
                       " it first, and name that in depends_on"));
}

TEST_F(CrossOwnerTest, WhatAnEarlierStepDropsOrMakesAnewIsNotInTheWay) {
  db_.Execute(
      "DROP VIEW analytics.v; SET ROLE catalog_owner;"
      " CREATE VIEW core.own AS SELECT id, note FROM core.kept; RESET ROLE;"
      " GRANT USAGE ON SCHEMA core TO finance_owner; GRANT SELECT ON core.own TO finance_owner;"
      " SET ROLE finance_owner;"
      " CREATE FUNCTION finance.g(core.kept) RETURNS int LANGUAGE sql AS 'SELECT 1';"
      " CREATE VIEW analytics.w AS SELECT note FROM core.own; RESET ROLE");
  WriteRevision("cccc", "depends_on: \"aaaa\"\nreferences: \"core.kept\"\n",
                {{"up.sql", "DROP FUNCTION finance.g(core.kept);"},
                 {"down.sql", "SELECT 1;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}},
                "finance");
  WriteRevision("bbbb", "down_revision: \"aaaa\"\ndepends_on: \"cccc\"\n",
                {{"up.sql",
                  "CREATE OR REPLACE VIEW core.own AS SELECT id, NULL::text AS note FROM core.kept;"
                  " ALTER TABLE core.kept DROP COLUMN note;"},
                 {"down.sql", "SELECT 1;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");
}

TEST_F(CrossOwnerTest, AnotherFunctionOfTheNameIsNotInTheWay) {
  db_.Execute(
      "DROP VIEW analytics.v;"
      "CREATE FUNCTION core.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
      "CREATE FUNCTION core.f(text[], numeric) RETURNS int LANGUAGE sql AS 'SELECT 1';"
      "ALTER FUNCTION core.f(text[], numeric) OWNER TO catalog_owner;"
      "CREATE TABLE finance.t (n int DEFAULT core.f(1))");
  WriteDrop("DROP FUNCTION core.f(text[], numeric);");
  EXPECT_THAT(Upgrade(), IsOk());
}

TEST_F(CrossOwnerTest, AnUndoThatAnotherOwnersViewBlocksIsNamedBeforeTheRun) {
  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kDown, "base"));
  ASSERT_THAT(plan.blockers, SizeIs(1));
  EXPECT_EQ(plan.blockers[0].kind, "dependent");
  EXPECT_THAT(plan.blockers[0].what,
              HasSubstr("the undo of step 1 drops core.kept, which cannot go because of view"
                        " analytics.v of finance"));

  const auto refused = Downgrade("base");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("DROP_BLOCKED")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_failures"), "0");
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  db_.Execute("DROP VIEW analytics.v");
  EXPECT_THAT(Downgrade("base"), IsOk());
}

TEST_F(CrossOwnerTest, AnotherOwnersViewThatTheSameDowngradeDropsIsNotInTheWay) {
  db_.Execute(
      "DROP VIEW analytics.v; GRANT USAGE ON SCHEMA core TO finance_owner;"
      " GRANT SELECT ON core.kept TO finance_owner");
  WriteRevision("cccc", "depends_on: \"aaaa\"\nreferences: \"core.kept\"\n",
                {{"up.sql", "CREATE VIEW analytics.v AS SELECT note FROM core.kept;"},
                 {"down.sql", "DROP VIEW analytics.v;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}},
                "finance");
  ASSERT_OK(Upgrade());

  EXPECT_THAT(Downgrade("base"), IsOk());

  EXPECT_EQ(AppliedText(), "");
}

TEST_F(CrossOwnerTest, ALockOnAnotherOwnersTableIsNoted) {
  db_.Execute(
      "GRANT REFERENCES ON core.kept TO finance_owner;"
      " GRANT USAGE ON SCHEMA core TO finance_owner");
  WriteRevision("cccc", "depends_on: \"aaaa\"\nreferences: \"core.kept\"\n",
                {{"up.sql", "CREATE TABLE finance.t (id int REFERENCES core.kept (id));"},
                 {"down.sql", "DROP TABLE finance.t;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}},
                "finance");
  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kUp, "head"));
  ASSERT_THAT(plan.notes, SizeIs(1));
  EXPECT_EQ(plan.notes[0].kind, "foreign_lock");
  EXPECT_THAT(plan.notes[0].what, HasSubstr("core.kept of catalog SHARE ROW EXCLUSIVE"));
}

}  // namespace
}  // namespace lockstep::migration
