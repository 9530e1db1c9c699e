// What a DROP would take from others, or cannot because of them, is said before anything runs.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
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
