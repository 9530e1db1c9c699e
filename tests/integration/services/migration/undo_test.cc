// Going back: guards, archives, irreversible revisions.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/undo_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(UndoTest, GuardRefusesWithWhatWouldGo) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();

  const auto refused = Downgrade("aaaa");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("parents with a: 1"));
  EXPECT_EQ(ExitClassOf(refused.status()), ExitClass::kBlocked);
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_EQ(db_.QueryText("SELECT state FROM migration.runs ORDER BY started_order DESC LIMIT 1"),
            "blocked");

  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kDown, "base"));
  EXPECT_THAT(plan.blockers, SizeIs(3));
}

TEST_F(UndoTest, EmptyGuardLetsGo) {
  WriteTables();
  ASSERT_OK(Upgrade());

  EXPECT_THAT(Downgrade("base"), IsOk());
  EXPECT_FALSE(TableExists("core.parent"));
}

TEST_F(UndoTest, IrreversibleNeedsPermissionAndAnEmptyGuard) {
  WriteTables("irreversible_reason: \"the data must never return\"\n");
  ASSERT_OK(Upgrade());
  EXPECT_THAT(Downgrade("aaaa"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("IRREVERSIBLE")));
  Fill();
  EXPECT_THAT(Downgrade("aaaa", {.archive = true, .allow_irreversible = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));

  db_.Execute("UPDATE core.parent SET a = NULL");

  EXPECT_THAT(Downgrade("aaaa", {.allow_irreversible = true}), IsOk());
}

TEST_F(UndoTest, HalfAppliedRevisionIsGuardedAsFarAsItWent) {
  WriteRevision("aaaa", "steps { name: \"one\" }\nsteps { name: \"two\" }\n",
                {{"01_one.up.sql", "CREATE TABLE core.one (id int PRIMARY KEY);"},
                 {"01_one.down.sql", "DROP TABLE core.one;"},
                 {"02_two.up.sql", "ALTER TABLE core.none ADD COLUMN x int;"},
                 {"02_two.down.sql", "ALTER TABLE core.none DROP COLUMN x;"},
                 {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"},
                 {"guard.sql", "SELECT 'ones' AS what, count(*) AS count FROM core.one;"}});
  EXPECT_FALSE(Upgrade().ok());
  db_.Execute("INSERT INTO core.one VALUES (1)");
  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  db_.Execute("DELETE FROM core.one");

  EXPECT_THAT(Downgrade("base"), IsOk());
  EXPECT_THAT(AppliedText(), IsEmpty());
}

}  // namespace
}  // namespace lockstep::migration
