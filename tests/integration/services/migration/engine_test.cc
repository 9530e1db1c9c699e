#include "services/migration/engine/run/engine.h"

#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(EngineTest, AppliesAndUndoesAcrossServices) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
  folder_.AddRevision("orders", "cccc", "depends_on: \"aaaa\"\n");

  ASSERT_OK_AND_ASSIGN(const RunReport up, Upgrade());
  EXPECT_EQ(up.steps_run, 3);
  EXPECT_THAT(up.heads, ElementsAre("catalog@bbbb", "orders@cccc"));
  EXPECT_THAT(up.verifications, SizeIs(3));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");
  EXPECT_EQ(db_.QueryText("SELECT tableowner FROM pg_tables WHERE tablename = 't_cccc'"),
            "orders_owner");

  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade());
  EXPECT_TRUE(again.nothing_to_do);
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs"), "1");

  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base"));
  EXPECT_EQ(down.steps_run, 3);
  EXPECT_THAT(down.heads, IsEmpty());
  EXPECT_EQ(AppliedText(), "");
  EXPECT_FALSE(TableExists("core.t_aaaa"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.archived_scripts"), "0");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_log"), "6");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runner_sessions"), "0");
}

TEST_F(EngineTest, LedgerLogEqualsWhatTheSinkSaw) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
  const auto engine = NewEngine();
  ASSERT_OK_AND_ASSIGN(const RunReport report, engine->Upgrade(context_, "head", {}, sink_));

  ASSERT_OK_AND_ASSIGN(const auto stored, engine->ReadEvents(context_, report.run_id, 0, 1000));
  const auto seen = sink_.events();
  ASSERT_EQ(stored.size(), seen.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(stored[i].offset, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(stored[i].offset, seen[i].offset);
    EXPECT_EQ(stored[i].kind, seen[i].kind);
    EXPECT_EQ(stored[i].message, seen[i].message);
  }
  ASSERT_OK_AND_ASSIGN(const auto rest, engine->ReadEvents(context_, report.run_id, 3, 2));
  EXPECT_THAT(rest, ElementsAre(::testing::Field(&RunEvent::offset, 4),
                                ::testing::Field(&RunEvent::offset, 5)));
  ASSERT_OK_AND_ASSIGN(const RunInfo run, engine->GetRun(context_, report.run_id.substr(0, 8)));
  EXPECT_EQ(run.state, RunState::kSucceeded);
  EXPECT_EQ(run.steps_done, 2);
  EXPECT_EQ(run.steps_total, 2);
}

TEST_F(EngineTest, RefusesEditedFileOfAppliedStep) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  folder_.Write("catalog/aaaa_x/up.sql",
                "CREATE TABLE core.t_aaaa (id uuid PRIMARY KEY, n int);\n");

  const auto refused = Upgrade();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("HISTORY_MISMATCH")));
  EXPECT_EQ(ExitClassOf(refused.status()), ExitClass::kHistory);
}

TEST_F(EngineTest, FailedStepCanBeUndoneOrMended) {
  const auto write = [&](const std::string& second) {
    WriteRevision("aaaa", "steps { name: \"one\" }\nsteps { name: \"two\" }\n",
                  {{"01_one.up.sql", "CREATE TABLE core.one (id int PRIMARY KEY);"},
                   {"01_one.down.sql", "DROP TABLE core.one;"},
                   {"02_two.up.sql", second},
                   {"02_two.down.sql", "DROP TABLE core.two;"},
                   {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"}});
  };
  write("CREATE TABLE core.two (id int PRIMARY KEY);\nALTER TABLE core.none ADD COLUMN x int;");

  const auto failed = Upgrade();
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_THAT(MessageOf(failed.status()), HasSubstr("02_two.up.sql:2: 42P01"));
  EXPECT_EQ(AppliedText(), "aaaa:1");
  EXPECT_FALSE(TableExists("core.two"));

  ASSERT_OK(Downgrade("base"));
  EXPECT_EQ(AppliedText(), "");
  EXPECT_FALSE(TableExists("core.one"));

  EXPECT_FALSE(Upgrade().ok());
  write("CREATE TABLE core.two (id int PRIMARY KEY);");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(AppliedText(), "aaaa:1,2!");
  EXPECT_EQ(db_.QueryText("SELECT kind || ' ' || ordinal FROM migration.amendments"),
            "failed_step_mended 2");
}

TEST_F(EngineTest, MendedOnceIsRecordedOnce) {
  const auto write = [&](const std::string& up) {
    WriteRevision("aaaa", "",
                  {{"up.sql", up},
                   {"down.sql", "DROP TABLE core.one;"},
                   {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"}});
  };
  write("CREATE TABLE core.one (id none);");
  EXPECT_FALSE(Upgrade().ok());
  write("CREATE TABLE core.one (id int);");
  ASSERT_OK(Upgrade());
  ASSERT_OK(Downgrade("base"));
  ASSERT_OK(Upgrade());

  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.amendments"), "1");
}

TEST_F(EngineTest, FailureThatCannotBeRecordedIsStillTold) {
  WriteRevision("aaaa", "",
                {{"up.sql", "ALTER TABLE core.none ADD COLUMN x int;"},
                 {"down.sql", "ALTER TABLE core.none DROP COLUMN x;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  db_.Execute("ALTER TABLE migration.step_failures ADD CONSTRAINT never CHECK (false)");

  const auto failed = Upgrade();

  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_THAT(MessageOf(failed.status()), HasSubstr("42P01"));
}

TEST_F(EngineTest, DoneStepsOfFailedRevisionMayNotChange) {
  WriteRevision("aaaa", "steps { name: \"one\" }\nsteps { name: \"two\" }\n",
                {{"01_one.up.sql", "CREATE TABLE core.one (id int PRIMARY KEY);"},
                 {"01_one.down.sql", "DROP TABLE core.one;"},
                 {"02_two.up.sql", "ALTER TABLE core.none ADD COLUMN x int;"},
                 {"02_two.down.sql", "ALTER TABLE core.none DROP COLUMN x;"},
                 {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"}});
  EXPECT_FALSE(Upgrade().ok());
  folder_.Write("catalog/aaaa_x/01_one.up.sql", "CREATE TABLE core.one (id bigint PRIMARY KEY);");

  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("HISTORY_MISMATCH")));
}

TEST_F(EngineTest, UndoRunsTheArchivedScriptUnlessItIsDamaged) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  // Comments do not count for the checksum, so the file may differ from the archive in them.
  folder_.Write("catalog/aaaa_x/down.sql", "-- changed\nDROP TABLE core.t_aaaa;\n");
  db_.Execute("UPDATE migration.archived_scripts SET body = 'SELECT 1' WHERE role = 'down'");

  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ARCHIVED_SCRIPT_DAMAGED")));
  EXPECT_TRUE(TableExists("core.t_aaaa"));
}

TEST_F(EngineTest, UndoIsRefusedWhileAnInstanceRequiresTheRevision) {
  folder_.AddRevision("catalog", "aaaa");
  const auto engine = NewEngine();
  ASSERT_OK_AND_ASSIGN(const Instance early,
                       engine->Register(context_, {.id = "i1",
                                                   .service = "catalog",
                                                   .build = "1.0.0",
                                                   .required_revision = "aaaa",
                                                   .built_for = "aaaa",
                                                   .address = "127.0.0.1:7101",
                                                   .ttl = absl::Seconds(60)}));
  EXPECT_FALSE(early.is_ready);
  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const Instance ready, engine->Heartbeat(context_, "i1", absl::Seconds(60)));
  EXPECT_TRUE(ready.is_ready);

  const auto refused = Downgrade("base");
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("REQUIRED_BY_INSTANCE")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("catalog i1 (127.0.0.1:7101)"));
  EXPECT_EQ(ExitClassOf(refused.status()), ExitClass::kBlocked);
  EXPECT_EQ(AppliedText(), "aaaa:1!");

  ASSERT_OK(engine->Deregister(context_, "i1"));
  EXPECT_THAT(Downgrade("base"), IsOk());
  EXPECT_THAT(engine->Heartbeat(context_, "i1", absl::Seconds(60)),
              StatusIs(absl::StatusCode::kNotFound, Reason("INSTANCE_UNKNOWN")));
}

TEST_F(EngineTest, StampRecordsWithoutRunning) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
  const auto engine = NewEngine();

  ASSERT_OK(engine->Stamp(context_, "head", {}, sink_));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_FALSE(TableExists("core.t_aaaa"));
  ASSERT_OK(engine->Stamp(context_, "aaaa", {}, sink_));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  EXPECT_EQ(db_.QueryText("SELECT string_agg(kind, ',') FROM migration.runs"), "stamp,stamp");
}

TEST_F(EngineTest, RunIdIsTakenOnce) {
  folder_.AddRevision("catalog", "aaaa");
  const std::string id = NewUuid();
  ASSERT_OK(Upgrade("head", {.run_id = id}));

  EXPECT_THAT(Downgrade("base", {.run_id = id}),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("RUN_EXISTS")));
}

TEST_F(EngineTest, CancelledRunStopsItsStatement) {
  WriteRevision("aaaa", "",
                {{"up.sql", "DO $$ BEGIN PERFORM pg_sleep(30); END $$;"},
                 {"down.sql", "SELECT 1;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  const Context context = Context::WithTimeout(absl::Seconds(60));
  absl::Status status;
  std::thread runner([&] { status = NewEngine()->Upgrade(context, "head", {}, sink_).status(); });
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  const auto is_asleep = [&] {
    return db_.QueryText(
               "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
               " AND datname = current_database())") == "t";
  };
  while (!is_asleep() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_TRUE(is_asleep());

  const absl::Time cancelled_at = absl::Now();
  context.Cancel();
  runner.join();

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(absl::Now() - cancelled_at, absl::Seconds(10));
  EXPECT_EQ(AppliedText(), "");
  EXPECT_EQ(db_.QueryText("SELECT expires_at = '-infinity' FROM migration.lease"), "t");
}

TEST_F(EngineTest, LostConnectionIsResolvedFromTheLedger) {
  WriteRevision(
      "aaaa", "",
      {{"up.sql",
        "DO $$ BEGIN RESET ROLE; PERFORM pg_terminate_backend(pg_backend_pid()); END $$;"},
       {"down.sql", "SELECT 1;"},
       {"verify.sql", "SELECT 1 WHERE false;"}});

  const auto lost = Upgrade();

  EXPECT_THAT(lost, StatusIs(absl::StatusCode::kUnavailable, Reason("CONNECTION_LOST")));
  EXPECT_THAT(MessageOf(lost.status()), HasSubstr("was rolled back"));
  EXPECT_EQ(db_.QueryText("SELECT state FROM migration.runs"), "failed");
  EXPECT_EQ(db_.QueryText("SELECT expires_at = '-infinity' FROM migration.lease"), "t");
}

}  // namespace
}  // namespace lockstep::migration
