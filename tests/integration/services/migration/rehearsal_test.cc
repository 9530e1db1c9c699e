// A downgrade that some guard refuses does nothing at all.
#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// aaaa makes a table whose guard counts every row; bbbb inserts rows that its undo takes away
// again.
class RehearsalTest : public EngineTest {
 protected:
  void WriteInserting(const std::string& more = "", const std::string& limits = "") {
    WriteRevision("aaaa", limits,
                  {{"up.sql", "CREATE TABLE core.t (id int PRIMARY KEY, mark uuid);"},
                   {"down.sql", "DROP TABLE core.t;"},
                   {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"},
                   {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t;"}});
    WriteRevision("bbbb",
                  "down_revision: \"aaaa\"\ndestroys { table: \"core.t\" key: \"id\" }\n" + limits,
                  {{"up.sql", "INSERT INTO core.t VALUES (1, gen_random_uuid());"},
                   {"down.sql", "DELETE FROM core.t WHERE id < 100;"},
                   {"verify.sql", "SELECT id FROM core.t WHERE id IS NULL;"}});
    WriteRevision("cccc", "down_revision: \"bbbb\"\n" + more,
                  {{"up.sql", "CREATE INDEX t_mark_idx ON core.t (mark);"},
                   {"down.sql", "DROP INDEX core.t_mark_idx;"},
                   {"verify.sql", "SELECT 1 WHERE false;"}});
  }
  void WriteConcurrentIndex() {
    WriteRevision(
        "cccc",
        "down_revision: \"bbbb\"\nsteps { name: \"index\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
        {{"01_index.up.sql", "CREATE INDEX CONCURRENTLY t_mark_idx ON core.t (mark);"},
         {"01_index.down.sql", "DROP INDEX CONCURRENTLY core.t_mark_idx;"},
         {"verify.sql", "SELECT 1 WHERE false;"}});
    folder_.Remove("catalog/cccc_x/up.sql");
    folder_.Remove("catalog/cccc_x/down.sql");
  }
  std::string Rows() const {
    return db_.QueryText("SELECT string_agg(t::text, ' ' ORDER BY id) FROM core.t AS t");
  }
};

TEST_F(RehearsalTest, LaterUndoMayEmptyAnEarlierGuard) {
  WriteInserting();
  ASSERT_OK(Upgrade());

  EXPECT_THAT(Downgrade("base"), IsOk());
  EXPECT_EQ(AppliedText(), "");
}

TEST_F(RehearsalTest, RefusalComesBeforeAnythingIsDestroyed) {
  WriteInserting();
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.t VALUES (100, gen_random_uuid())");
  const std::string before = Rows();

  const auto refused = Downgrade("base");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("rows: 1"));
  EXPECT_EQ(Rows(), before);
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_log WHERE direction = 'down'"), "0");
}

TEST_F(RehearsalTest, IndexesThatAreDroppedConcurrentlyDoNotStandInTheWay) {
  WriteInserting();
  WriteConcurrentIndex();
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.t VALUES (100, gen_random_uuid())");
  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");

  db_.Execute("DELETE FROM core.t WHERE id = 100");

  EXPECT_THAT(Downgrade("base"), IsOk());
}

TEST_F(RehearsalTest, WithoutRehearsalTheAnswerOfNowCounts) {
  WriteInserting("steps { name: \"extension\" kind: STEP_KIND_PRIVILEGED }\n");
  folder_.Remove("catalog/cccc_x/up.sql");
  folder_.Remove("catalog/cccc_x/down.sql");
  folder_.Write("catalog/cccc_x/01_extension.up.sql", "CREATE EXTENSION citext;");
  folder_.Write("catalog/cccc_x/01_extension.down.sql", "DROP EXTENSION citext;");
  EngineOptions options = Options();
  options.admin_url = db_.url();
  ASSERT_OK(NewEngine(options)->Upgrade(context_, "head", {}, sink_));

  const auto refused = NewEngine(options)->Downgrade(context_, "base", {}, sink_);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_THAT(sink_.Messages("warning"), Contains(HasSubstr("does not run in a transaction")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");
}

TEST_F(RehearsalTest, WaitsForLocksBriefly) {
  WriteInserting("", "limits { lock_timeout_ms: 300 retry_for_seconds: 1 }\n");
  ASSERT_OK(Upgrade());
  pg::ConnectionOptions options;
  options.database_url = db_.url();
  options.application_name = "the-blocker";
  ASSERT_OK_AND_ASSIGN(const auto blocker, pg::Connection::Open(options));
  ASSERT_OK(blocker->Script("BEGIN; LOCK TABLE core.t IN SHARE MODE;"));
  // A mere plan waits for nobody.
  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kDown, "base"));
  EXPECT_THAT(plan.blockers, SizeIs(1));

  const auto blocked = Downgrade("base");

  EXPECT_THAT(blocked, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("the-blocker"));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");
}

TEST_F(RehearsalTest, GuardThatCannotBeAskedYetIsAskedInItsPlace) {
  WriteRevision("aaaa", "",
                {{"up.sql", "CREATE TABLE core.t (id int PRIMARY KEY, n int);"},
                 {"down.sql", "DROP TABLE core.t;"},
                 {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"},
                 {"guard.sql", "SELECT 'rows' AS what, count(n) AS count FROM core.t;"}});
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "ALTER TABLE core.t RENAME COLUMN n TO m;"},
                 {"down.sql", "ALTER TABLE core.t RENAME COLUMN m TO n;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.t VALUES (1, 1)");

  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
}

}  // namespace
}  // namespace lockstep::migration
