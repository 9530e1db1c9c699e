// A faulty undo in the ledger is replaced, and the replacement is recorded.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;

using AmendTest = EngineTest;

TEST_F(AmendTest, AmendReplacesTheArchivedUndo) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write("catalog/aaaa_x/down.sql", "DROP TABLE core.t_wrong;\n");
  ASSERT_OK(Upgrade());
  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  const auto engine = NewEngine();
  AmendOptions amend;
  amend.revision = "aaaa";
  amend.file_name = "fixed.sql";
  amend.down_sql = "DROP TABLE core.t_aaaa;";
  EXPECT_THAT(engine->Amend(context_, amend),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REASON_REQUIRED")));
  amend.reason = "the undo named a table that never was";
  amend.down_sql = "COMMIT;";
  EXPECT_THAT(engine->Amend(context_, amend),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("AMENDMENT_INVALID")));
  amend.down_sql = "DROP TABLE core.t_aaaa;";
  ASSERT_OK(engine->Amend(context_, amend));

  // The folder with the old file and the folder with the new one are both accepted.
  EXPECT_THAT(Upgrade(), IsOk());
  folder_.Write("catalog/aaaa_x/down.sql", "DROP TABLE core.t_aaaa;\n");
  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_EQ(db_.QueryText("SELECT reason FROM migration.amendments"), amend.reason);
  ASSERT_OK(Downgrade("base"));
  EXPECT_FALSE(TableExists("core.t_aaaa"));
}

// A revision of two steps, both of whose undos are amended, some more than once.
class AmendedTwice : public AmendTest {
 protected:
  AmendedTwice() { Write("DROP TABLE core.wrong;", "DROP TABLE core.wrong;"); }
  void Write(const std::string& one, const std::string& two) {
    WriteRevision("aaaa", "steps { name: \"one\" }\nsteps { name: \"two\" }\n",
                  {{"01_one.up.sql", "CREATE TABLE core.one (id int PRIMARY KEY);"},
                   {"01_one.down.sql", one},
                   {"02_two.up.sql", "CREATE TABLE core.two (id int PRIMARY KEY);"},
                   {"02_two.down.sql", two},
                   {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"}});
  }
  absl::Status Amend(int step, const std::string& down) {
    AmendOptions amend;
    amend.revision = "aaaa";
    amend.step = step;
    amend.down_sql = down;
    amend.reason = "it was wrong";
    return NewEngine()->Amend(context_, amend);
  }
  // Every folder that has each step as it was or as it became is accepted, any other is refused.
  void ExpectEveryCombinationAccepted() {
    for (const char* one : {"DROP TABLE core.wrong;", "SELECT 1;", "DROP TABLE core.one;"}) {
      for (const char* two : {"DROP TABLE core.wrong;", "DROP TABLE core.two;"}) {
        Write(one, two);
        EXPECT_THAT(Upgrade(), IsOk()) << one << two;
      }
    }
    Write("SELECT 2;", "DROP TABLE core.two;");
    EXPECT_THAT(Upgrade(),
                StatusIs(absl::StatusCode::kFailedPrecondition, Reason("HISTORY_MISMATCH")));
    Write("DROP TABLE core.one;", "DROP TABLE core.two;");
    folder_.Write("catalog/aaaa_x/verify.sql", "SELECT id FROM core.one WHERE id < 1;");
    EXPECT_THAT(Upgrade(),
                StatusIs(absl::StatusCode::kFailedPrecondition, Reason("HISTORY_MISMATCH")));
    Write("DROP TABLE core.one;", "DROP TABLE core.two;");
    EXPECT_THAT(Downgrade("base"), IsOk());
    EXPECT_FALSE(TableExists("core.one"));
  }
};

TEST_F(AmendedTwice, WhileTheFolderHasTheOldFiles) {
  ASSERT_OK(Upgrade());
  ASSERT_OK(Amend(1, "SELECT 1;"));
  ASSERT_OK(Amend(2, "DROP TABLE core.two;"));
  ASSERT_OK(Amend(1, "DROP TABLE core.one;"));

  ExpectEveryCombinationAccepted();
}

TEST_F(AmendedTwice, WhileTheFolderFollows) {
  ASSERT_OK(Upgrade());
  ASSERT_OK(Amend(1, "SELECT 1;"));
  Write("SELECT 1;", "DROP TABLE core.wrong;");
  ASSERT_OK(Amend(2, "DROP TABLE core.two;"));
  Write("SELECT 1;", "DROP TABLE core.two;");
  ASSERT_OK(Amend(1, "DROP TABLE core.one;"));

  ExpectEveryCombinationAccepted();
}

TEST_F(AmendedTwice, BeforeTheRevisionIsComplete) {
  folder_.Write("catalog/aaaa_x/02_two.up.sql", "ALTER TABLE core.none ADD COLUMN x int;");
  ASSERT_FALSE(Upgrade().ok());
  ASSERT_OK(Amend(1, "SELECT 1;"));
  ASSERT_OK(Amend(1, "DROP TABLE core.one;"));
  Write("DROP TABLE core.wrong;", "DROP TABLE core.wrong;");
  ASSERT_OK(Upgrade());
  ASSERT_OK(Amend(2, "DROP TABLE core.two;"));

  ExpectEveryCombinationAccepted();
}

}  // namespace
}  // namespace lockstep::migration
