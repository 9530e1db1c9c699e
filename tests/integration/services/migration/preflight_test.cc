// Steps look who holds their tables before they ask for them, and make room for those who queue
// behind them.
#include <string>
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
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class PreflightTest : public EngineTest {
 protected:
  std::unique_ptr<pg::Connection> Open(const std::string& user = "lockstep_admin") const {
    pg::ConnectionOptions options;
    options.database_url = db_.url(user);
    options.application_name = "the-blocker";
    auto connection = pg::Connection::Open(options);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
  // A session that reads core.t_aaaa and has been idle for long enough to be called so.
  std::unique_ptr<pg::Connection> IdleReader(const std::string& user = "lockstep_admin") const {
    auto reader = Open(user);
    EXPECT_THAT(reader->Script("BEGIN; SELECT * FROM core.t_aaaa;"), IsOk());
    absl::SleepFor(2 * kIdleFor);
    return reader;
  }
  // bbbb does `up` to core.t_aaaa, which is there.
  void WriteStep(const std::string& up, const std::string& down, const std::string& limits) {
    folder_.AddRevision("catalog", "aaaa");
    folder_.Write("catalog/aaaa_x/up.sql",
                  "CREATE TABLE core.t_aaaa (id uuid PRIMARY KEY, n int);\n");
    ASSERT_OK(Upgrade());
    WriteRevision("bbbb", "down_revision: \"aaaa\"\nlimits { " + limits + " }\n",
                  {{"up.sql", up},
                   {"down.sql", down},
                   {"verify.sql", "SELECT 1 FROM core.t_aaaa WHERE false;"}});
  }
  void WriteAlter(const std::string& limits = "lock_timeout_ms: 2000 retry_for_seconds: 30") {
    WriteStep("ALTER TABLE core.t_aaaa ADD COLUMN z int;", "ALTER TABLE core.t_aaaa DROP COLUMN z;",
              limits);
  }
  void AwaitEvent(std::string_view kind) const {
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (sink_.Messages(kind).empty() && absl::Now() < give_up) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    EXPECT_THAT(sink_.Messages(kind), Not(IsEmpty())) << kind;
  }
};

TEST_F(PreflightTest, WaitsForAGapWithoutQueueing) {
  WriteAlter();
  const auto blocker = IdleReader();
  const auto other = Open();
  absl::StatusOr<RunReport> report;
  std::thread runner([&] { report = Upgrade(); });
  AwaitEvent("step_blocked");

  for (int look = 0; look < 20; ++look) {
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_locks WHERE NOT granted"
                            " AND relation = 'core.t_aaaa'::regclass"),
              "0");
    const absl::Time asked = absl::Now();
    EXPECT_THAT(other->Query("SELECT count(*) FROM core.t_aaaa"), IsOk());
    EXPECT_LT(absl::Now() - asked, absl::Milliseconds(500));
    absl::SleepFor(absl::Milliseconds(20));
  }
  const auto status = NewEngine()->Status(context_);
  ASSERT_THAT(status, IsOk());
  EXPECT_THAT(status->waits_for, HasSubstr("the-blocker"));
  EXPECT_THAT(blocker->Script("COMMIT"), IsOk());
  runner.join();

  EXPECT_THAT(report, IsOk());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_THAT(sink_.Messages("step_retried"), IsEmpty());
  EXPECT_THAT(sink_.Messages("step_blocked"), Contains(HasSubstr("core.t_aaaa")));
  EXPECT_THAT(sink_.Messages("step_unblocked"), Not(IsEmpty()));
}

TEST_F(PreflightTest, GivesUpWithWhoAndWhatToDo) {
  WriteAlter("lock_timeout_ms: 300 retry_for_seconds: 1");
  const auto blocker = IdleReader();

  const auto blocked = Upgrade();

  EXPECT_THAT(blocked, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_EQ(ExitClassOf(blocked.status()), ExitClass::kBlocked);
  EXPECT_EQ(MetadataOf(blocked.status(), "blocker_pid"), std::to_string(blocker->backend_pid()));
  EXPECT_EQ(MetadataOf(blocked.status(), "blocker_kind"), "idle_in_transaction");
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("--cancel-blockers idle_in_transaction"));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(PreflightTest, CancelledRunStopsWaiting) {
  WriteAlter();
  const auto blocker = IdleReader();
  const Context context = Context::WithDeadline(absl::InfiniteFuture());
  absl::StatusOr<RunReport> report;
  std::thread runner([&] { report = NewEngine()->Upgrade(context, "head", {}, sink_); });
  AwaitEvent("step_blocked");

  context.Cancel();
  runner.join();

  EXPECT_EQ(report.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(PreflightTest, MakesRoomForThoseWhoQueueBehindIt) {
  // Younger than its lock timeout, so the step is sent; no ladder, because it also writes rows.
  WriteStep("ALTER TABLE core.t_aaaa ADD COLUMN z int; UPDATE core.t_aaaa SET z = 1;",
            "ALTER TABLE core.t_aaaa DROP COLUMN z;",
            "lock_timeout_ms: 20000 retry_for_seconds: 30");
  const auto blocker = Open();
  const auto other = Open();
  std::thread holder([&] {
    EXPECT_THAT(blocker->Script("BEGIN; SELECT * FROM core.t_aaaa; SELECT pg_sleep(4); COMMIT;"),
                IsOk());
  });
  while (db_.QueryText("SELECT count(*) FROM pg_locks WHERE relation = 'core.t_aaaa'::regclass") ==
         "0") {
    absl::SleepFor(absl::Milliseconds(5));
  }
  absl::StatusOr<RunReport> report;
  std::thread runner([&] { report = Upgrade(); });
  AwaitEvent("step_blocked");
  const absl::Time asked = absl::Now();
  EXPECT_THAT(other->Query("SELECT count(*) FROM core.t_aaaa"), IsOk());
  const absl::Duration waited = absl::Now() - asked;
  AwaitEvent("step_retried");
  holder.join();
  runner.join();

  // Far less than what the holder stays and the step would wait.
  EXPECT_LT(waited, absl::Seconds(1));
  EXPECT_THAT(sink_.Messages("step_retried"), Contains(HasSubstr("others queued behind it")));
  EXPECT_THAT(report, IsOk());
}

TEST_F(PreflightTest, PolicyEndsWhoIsIdle) {
  WriteAlter();
  // A session of the migrator's own role: that it may end without pg_signal_backend.
  const auto blocker = IdleReader("lockstep_migrator");

  const auto report = Upgrade("head", {.cancel_blockers = {HolderKind::kIdleInTransaction}});

  EXPECT_THAT(report, IsOk());
  EXPECT_THAT(sink_.Messages("blocker_cancelled"), Contains(HasSubstr("broke off")));
  EXPECT_THAT(blocker->Query("SELECT 1"), Not(IsOk()));
}

TEST_F(PreflightTest, PolicyWithoutTheRightSaysSoAndWaits) {
  WriteAlter("lock_timeout_ms: 300 retry_for_seconds: 1");
  const auto blocker = IdleReader();  // a superuser's session

  const auto blocked = Upgrade("head", {.cancel_blockers = {HolderKind::kIdleInTransaction}});

  EXPECT_THAT(blocked, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_THAT(sink_.Messages("blocker_cancelled"), Contains(HasSubstr("may not break off")));
  EXPECT_THAT(blocker->Query("SELECT 1"), IsOk());
}

TEST_F(PreflightTest, PolicyOfOneClassLeavesTheOthersAlone) {
  WriteAlter("lock_timeout_ms: 300 retry_for_seconds: 1");
  const auto blocker = IdleReader("lockstep_migrator");

  EXPECT_THAT(Upgrade("head", {.cancel_blockers = {HolderKind::kDump}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_THAT(sink_.Messages("blocker_cancelled"), IsEmpty());
  EXPECT_THAT(blocker->Query("SELECT 1"), IsOk());
}

TEST_F(PreflightTest, UndoLooksFirstToo) {
  WriteAlter("lock_timeout_ms: 300 retry_for_seconds: 1");
  ASSERT_OK(Upgrade());
  const auto blocker = IdleReader();

  EXPECT_THAT(Downgrade("aaaa"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_THAT(sink_.Messages("step_retried"), IsEmpty());
}

TEST_F(PreflightTest, PrivilegedStepsLookFirstToo) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  WriteRevision("bbbb",
                "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 300 retry_for_seconds: 1 }\n"
                "steps { name: \"admin\" kind: STEP_KIND_PRIVILEGED }\n",
                {{"01_admin.up.sql", "ALTER TABLE core.t_aaaa ADD COLUMN z int;"},
                 {"01_admin.down.sql", "ALTER TABLE core.t_aaaa DROP COLUMN z;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  const auto blocker = IdleReader();
  EngineOptions options = Options();
  options.admin_url = db_.url();

  EXPECT_THAT(NewEngine(options)->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));

  // It never stood in the queue.
  EXPECT_THAT(sink_.Messages("step_retried"), IsEmpty());
  EXPECT_THAT(sink_.Messages("step_blocked"), Contains(HasSubstr("before it asks for a lock")));
  EXPECT_THAT(blocker->Script("COMMIT"), IsOk());
  EXPECT_THAT(NewEngine(options)->Upgrade(context_, "head", {}, sink_), IsOk());
}

TEST_F(PreflightTest, DetachingConcurrentlyLooksFirstToo) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.t_aaaa (id int) PARTITION BY RANGE (id);\n"
                  "CREATE TABLE core.t_1 PARTITION OF core.t_aaaa FOR VALUES FROM (0) TO (9);"},
                 {"down.sql", "DROP TABLE core.t_1; DROP TABLE core.t_aaaa;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  ASSERT_OK(Upgrade());
  WriteRevision(
      "bbbb",
      "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 300 retry_for_seconds: 1 }\n"
      "steps { name: \"alone\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
      {{"01_alone.up.sql", "ALTER TABLE core.t_aaaa DETACH PARTITION core.t_1 CONCURRENTLY;"},
       {"01_alone.down.sql", "VACUUM core.t_1;"},
       {"verify.sql", "SELECT 1 WHERE false;"}});
  const auto blocker = IdleReader();

  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));

  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_inherits WHERE inhdetachpending"), "0");
  EXPECT_THAT(blocker->Script("COMMIT"), IsOk());
  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_inherits WHERE inhrelid ="
                          " 'core.t_1'::regclass"),
            "0");
}

TEST_F(PreflightTest, RehearsedUndosLookFirstToo) {
  const std::string limits = "limits { lock_timeout_ms: 300 retry_for_seconds: 1 }\n";
  WriteRevision("aaaa", limits,
                {{"up.sql", "CREATE TABLE core.t_aaaa (id int PRIMARY KEY);"},
                 {"down.sql", "DROP TABLE core.t_aaaa;"},
                 {"verify.sql", "SELECT id FROM core.t_aaaa WHERE id < 0;"},
                 {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t_aaaa;"}});
  WriteRevision(
      "bbbb", "down_revision: \"aaaa\"\ndestroys { table: \"core.t_aaaa\" key: \"id\" }\n" + limits,
      {{"up.sql",
        "ALTER TABLE core.t_aaaa ADD COLUMN z int;\nINSERT INTO core.t_aaaa VALUES (1, 1);"},
       {"down.sql",
        "DELETE FROM core.t_aaaa WHERE id < 100;\nALTER TABLE core.t_aaaa DROP COLUMN z;"},
       {"verify.sql", "SELECT 1 FROM core.t_aaaa WHERE false;"}});
  ASSERT_OK(Upgrade());
  const auto blocker = IdleReader();

  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));

  EXPECT_THAT(sink_.Messages("guard_rehearsed"), Not(IsEmpty()));
  EXPECT_THAT(sink_.Messages("step_retried"), IsEmpty());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_THAT(blocker->Script("COMMIT"), IsOk());
  EXPECT_THAT(Downgrade("base"), IsOk());
}

}  // namespace
}  // namespace lockstep::migration
