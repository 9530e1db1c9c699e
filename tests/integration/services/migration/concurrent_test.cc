// Steps outside of transactions: what they accept, what they leave and find again.
#include <memory>
#include <thread>

#include "absl/time/clock.h"
#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ConcurrentTest : public EngineTest {
 protected:
  ConcurrentTest() {
    WriteRevision("aaaa", "",
                  {{"up.sql", "CREATE TABLE core.t (id int PRIMARY KEY, n int, note text);"},
                   {"down.sql", "DROP TABLE core.t;"},
                   {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"}});
    EXPECT_THAT(Upgrade(), IsOk());
  }
  void WriteStep(const std::string& up, const std::string& down, int retry_for_seconds = 30) {
    WriteRevision("bbbb",
                  "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 400 retry_for_seconds: " +
                      std::to_string(retry_for_seconds) +
                      " }\nsteps { name: \"alone\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
                  {{"01_alone.up.sql", up},
                   {"01_alone.down.sql", down},
                   {"verify.sql", "SELECT 1 WHERE false;"}});
  }
  std::unique_ptr<pg::Connection> Open() const {
    pg::ConnectionOptions options;
    options.database_url = db_.url();
    options.application_name = "the-blocker";
    auto connection = pg::Connection::Open(options);
    EXPECT_THAT(connection, IsOk());
    return *std::move(connection);
  }
  std::string Indexes() const {
    return db_.QueryText(
        "SELECT string_agg(c.relname || ' ' || indisvalid, ',' ORDER BY c.relname) FROM pg_index i"
        " JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'core.t'::regclass");
  }
  std::string Intents() const {
    return db_.QueryText("SELECT count(*) FROM migration.step_intents");
  }
  // Upgrades until the build has made its index, which waits for an old snapshot, and cancels.
  void CancelBuild() {
    const auto reader = Open();
    ASSERT_OK(
        reader->Script("BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE core.x (i int);"));
    const Context context = Context::WithTimeout(absl::Seconds(30));
    std::thread canceller([&] {
      const absl::Time deadline = absl::Now() + absl::Seconds(20);
      while (db_.QueryText("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0" &&
             absl::Now() < deadline) {
      }
      context.Cancel();
    });
    EXPECT_EQ(NewEngine()->Upgrade(context, "head", {}, sink_).status().code(),
              absl::StatusCode::kCancelled);
    canceller.join();
    EXPECT_THAT(reader->Script("ROLLBACK"), IsOk());
    EXPECT_THAT(Indexes(), HasSubstr("false"));
  }
};

TEST_F(ConcurrentTest, IndexOfACancelledBuildIsBuiltByTheNextRun) {
  WriteStep("CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);",
            "DROP INDEX CONCURRENTLY core.t_n_idx;");
  CancelBuild();

  ASSERT_OK(Upgrade());

  EXPECT_EQ(Indexes(), "t_n_idx true,t_pkey true");
  EXPECT_EQ(Intents(), "0");
}

TEST_F(ConcurrentTest, IndexOfACancelledBuildGoesWithADowngrade) {
  WriteStep("CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);",
            "DROP INDEX CONCURRENTLY core.t_n_idx;");
  CancelBuild();
  EXPECT_EQ(AppliedText(), "aaaa:1!");

  ASSERT_OK(Downgrade("aaaa"));

  EXPECT_EQ(Indexes(), "t_pkey true");
  EXPECT_EQ(Intents(), "0");
  EXPECT_THAT(sink_.Messages("leftover_cleared"), Not(IsEmpty()));
}

TEST_F(ConcurrentTest, WhatAMendedBuildLeftBeforeIsReplaced) {
  WriteStep("CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);",
            "DROP INDEX CONCURRENTLY core.t_n_idx;");
  CancelBuild();
  WriteStep("CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n DESC, id);",
            "DROP INDEX CONCURRENTLY core.t_n_idx;");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(Indexes(), "t_n_idx true,t_pkey true");
  EXPECT_THAT(db_.QueryText("SELECT pg_get_indexdef('core.t_n_idx'::regclass)"),
              HasSubstr("(n DESC, id)"));
}

TEST_F(ConcurrentTest, WhatAMendedBuildLeftUnderAnotherNameGoes) {
  WriteStep("CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);",
            "DROP INDEX CONCURRENTLY core.t_n_idx;");
  CancelBuild();
  WriteStep("CREATE INDEX CONCURRENTLY t_n_key ON core.t (n);",
            "DROP INDEX CONCURRENTLY core.t_n_key;");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(Indexes(), "t_n_key true,t_pkey true");
}

TEST_F(ConcurrentTest, SecondStatementFailsAndADowngradeTakesTheFirstBack) {
  WriteStep(
      "CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);\n"
      "CREATE INDEX CONCURRENTLY t_none_idx ON core.t (none);",
      "DROP INDEX CONCURRENTLY core.t_none_idx;\nDROP INDEX CONCURRENTLY core.t_n_idx;");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_EQ(Indexes(), "t_n_idx true,t_pkey true");

  ASSERT_OK(Downgrade("aaaa"));

  EXPECT_EQ(Indexes(), "t_pkey true");
  EXPECT_EQ(Intents(), "0");
}

TEST_F(ConcurrentTest, AnIndexOfSomebodyElseSurvivesADowngrade) {
  db_.Execute("CREATE INDEX t_n_idx ON core.t (n); ALTER TABLE core.t OWNER TO catalog_owner");
  WriteStep("CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);",
            "DROP INDEX CONCURRENTLY core.t_n_idx;");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));

  ASSERT_OK(Downgrade("aaaa"));

  EXPECT_EQ(Indexes(), "t_n_idx true,t_pkey true");
}

TEST_F(ConcurrentTest, WhatOnlyTheUndoTakesBackIsFinishedFirst) {
  db_.Execute("CREATE INDEX t_n_idx ON core.t (n)");
  WriteStep(
      "DROP INDEX CONCURRENTLY core.t_n_idx;\n"
      "CREATE INDEX CONCURRENTLY t_none_idx ON core.t (none);",
      "CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_EQ(Indexes(), "t_pkey true");

  const auto refused = Downgrade("aaaa");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_HALF_DONE")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("DROP INDEX CONCURRENTLY core.t_n_idx"));
}

TEST_F(ConcurrentTest, ADropThatWasBrokenOffHalfWayIsNotTakenForUntouched) {
  db_.Execute("CREATE INDEX t_n_idx ON core.t (n)");
  WriteStep(
      "DROP INDEX CONCURRENTLY core.t_n_idx;\n"
      "CREATE INDEX CONCURRENTLY t_none_idx ON core.t (none);",
      "CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  // As a drop leaves it that was killed while it waited for old transactions.
  db_.Execute("CREATE INDEX t_n_idx ON core.t (n)");
  db_.Execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'core.t_n_idx'::regclass");

  EXPECT_THAT(Downgrade("aaaa"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_HALF_DONE")));

  db_.Execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'core.t_n_idx'::regclass");
  EXPECT_OK(Downgrade("aaaa"));
  EXPECT_EQ(Indexes(), "t_n_idx true,t_pkey true");
}

TEST_F(ConcurrentTest, ConstraintsAreValidatedAlone) {
  db_.Execute("ALTER TABLE core.t ADD CONSTRAINT t_n_check CHECK (n > 0) NOT VALID");
  WriteStep("ALTER TABLE core.t VALIDATE CONSTRAINT t_n_check;", "VACUUM core.t;");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(db_.QueryText("SELECT convalidated FROM pg_constraint WHERE conname = 't_n_check'"),
            "t");
  EXPECT_EQ(Intents(), "0");
}

TEST_F(ConcurrentTest, PartitionsAreDetachedHoweverItIsSpelled) {
  db_.Execute(
      "CREATE TABLE core.p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      " CREATE TABLE core.p_1 PARTITION OF core.p FOR VALUES FROM (0) TO (9);"
      " ALTER TABLE core.p OWNER TO catalog_owner; ALTER TABLE core.p_1 OWNER TO catalog_owner");
  WriteStep("alter table core.p\n  detach /* slowly */ partition core.p_1\n  concurrently;",
            "VACUUM core.p_1;");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_inherits WHERE inhparent = 'core.p'::regclass"
                          " AND inhrelid = 'core.p_1'::regclass"),
            "0");
}

TEST_F(ConcurrentTest, LeftoversOfABrokenOffReindexAreThoseOfItsIndexes) {
  db_.Execute("CREATE INDEX t_n_idx ON core.t (n)");
  WriteStep("REINDEX TABLE CONCURRENTLY core.t;\nREINDEX INDEX CONCURRENTLY core.none;",
            "VACUUM core.t;");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  // As a crash would have left them, beside one that is somebody's own.
  db_.Execute(
      "CREATE INDEX t_n_idx_ccnew ON core.t (n); CREATE INDEX t_pkey_ccnew1 ON core.t (id);"
      " CREATE INDEX mine ON core.t (n); UPDATE pg_index SET indisvalid = false"
      "  WHERE indexrelid IN ('core.t_n_idx_ccnew'::regclass, 'core.t_pkey_ccnew1'::regclass,"
      "                       'core.mine'::regclass)");
  folder_.Write("catalog/bbbb_x/01_alone.up.sql", "REINDEX TABLE CONCURRENTLY core.t;");

  ASSERT_OK(Upgrade());

  EXPECT_THAT(Indexes(), HasSubstr("mine"));
  EXPECT_THAT(Indexes(), Not(HasSubstr("ccnew")));
}

TEST_F(ConcurrentTest, BlockedStatementNamesTheBlocker) {
  WriteStep("VACUUM core.t;", "VACUUM core.t;", 1);
  const auto blocker = Open();
  ASSERT_OK(blocker->Script("BEGIN; LOCK TABLE core.t IN ACCESS EXCLUSIVE MODE;"));

  const auto blocked = Upgrade();

  EXPECT_THAT(blocked, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_EQ(MetadataOf(blocked.status(), "blocker_pid"), std::to_string(blocker->backend_pid()));
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("the-blocker"));
  EXPECT_THAT(sink_.Messages("step_retried"), Not(IsEmpty()));
}

}  // namespace
}  // namespace lockstep::migration
