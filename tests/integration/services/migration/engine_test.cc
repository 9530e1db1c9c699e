#include "services/migration/engine/run/engine.h"

#include <thread>

#include "absl/time/clock.h"
#include "common/pg/connection.h"
#include "common/pg/sqlstate.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/ledger_schema.h"
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

TEST_F(EngineTest, BootstrapAgainDoesNothing) {
  EngineOptions options;
  options.database_url = db_.url();
  ASSERT_OK_AND_ASSIGN(const BootstrapReport again,
                       Engine(options, Definitions{}).Bootstrap(context_));

  EXPECT_THAT(again.done, IsEmpty());
  EXPECT_EQ(again.ledger_version, LedgerVersion());
}

TEST_F(EngineTest, BootstrapBringsALedgerOfVersion1ForwardAndKeepsWhatItSays) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  db_.Execute("CREATE TABLE public.kept AS SELECT * FROM migration.applied_revisions");
  // What version 1 was: its own functions, and no word of a later version.
  db_.Execute("DELETE FROM migration.ledger_version WHERE version > 1");
  db_.Execute(
      "CREATE OR REPLACE FUNCTION migration.assert_step(p_role text, p_settings text,"
      " p_schemas text[], p_references text[]) RETURNS void LANGUAGE plpgsql AS"
      " $f$ BEGIN RAISE EXCEPTION 'of version 1'; END $f$");
  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEDGER_OUTDATED")));

  EngineOptions options;
  options.database_url = db_.url();
  ASSERT_OK_AND_ASSIGN(const BootstrapReport report,
                       Engine(options, Definitions{}).Bootstrap(context_));
  EXPECT_THAT(report.done,
              ElementsAre("brought the ledger to version 2", "brought the ledger to version 3",
                          "brought the ledger to version 4", "brought the ledger to version 5",
                          "brought the ledger to version 6", "brought the ledger to version 7",
                          "brought the ledger to version 8", "brought the ledger to version 9",
                          "brought the ledger to version 10", "brought the ledger to version 11"));
  folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM public.kept JOIN migration.applied_revisions"
                          " USING (revision, checksum, applied_at, run_id)"),
            "1");
}

TEST_F(EngineTest, SaysThatBootstrapIsMissing) {
  const testing::TestDatabase empty = testing::TestDatabase::Create();
  EngineOptions options;
  options.database_url = empty.url();

  EXPECT_THAT(Engine(options, Definitions{}).Current(context_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEDGER_MISSING")));
}

TEST_F(EngineTest, BootstrapNeedsAnAdministrator) {
  const testing::TestDatabase empty = testing::TestDatabase::Create();
  EngineOptions options;
  options.database_url = empty.url("lockstep_migrator");

  EXPECT_EQ(ExitClassOf(Engine(options, Definitions{}).Bootstrap(context_).status()),
            ExitClass::kNotPermitted);
}

TEST_F(EngineTest, RefusesLedgerOfNewerEngine) {
  db_.Execute("INSERT INTO migration.ledger_version (version) VALUES (99)");

  EXPECT_THAT(NewEngine()->Current(context_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEDGER_TOO_NEW")));
}

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

TEST_F(EngineTest, OwnersAndServicesCannotReadOrWriteArchivedScripts) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  for (const std::string role : {"catalog_owner", "catalog_app", "orders_owner", "orders_app"}) {
    for (const std::string sql :
         {"UPDATE migration.archived_scripts SET body = 'SELECT 1'",
          "INSERT INTO migration.archived_scripts VALUES ('aaaa', 1, 'expect', 'f', 'b', 's')",
          "DELETE FROM migration.archived_scripts", "TRUNCATE migration.archived_scripts",
          "SELECT body FROM migration.archived_scripts",
          "SELECT migration.keep_scripts('aaaa', '[]')"}) {
      pg::ConnectionOptions options;
      options.database_url = db_.url();
      ASSERT_OK_AND_ASSIGN(const auto connection, pg::Connection::Open(options));
      ASSERT_OK(connection->Script("SET ROLE " + role));
      EXPECT_EQ(pg::SqlStateOf(connection->Query(sql).status()), "42501") << role << ": " << sql;
    }
  }
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.archived_scripts WHERE role = 'down'"
                          " AND body LIKE 'DROP TABLE%'"),
            "1");
}

TEST_F(EngineTest, AmendReplacesTheArchivedUndo) {
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
class AmendedTwice : public EngineTest {
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
