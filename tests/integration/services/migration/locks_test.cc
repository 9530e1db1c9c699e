// Steps that meet the locks of others, concurrent builds that fail, privileged steps that wait.
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

class LocksTest : public EngineTest {
 protected:
  std::unique_ptr<pg::Connection> Open() const {
    pg::ConnectionOptions options;
    options.database_url = db_.url();
    options.application_name = "the-blocker";
    auto connection = pg::Connection::Open(options);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
  void WriteAlter(int retry_for_seconds) {
    folder_.AddRevision("catalog", "aaaa");
    WriteRevision("bbbb",
                  "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 300 retry_for_seconds: " +
                      std::to_string(retry_for_seconds) + " }\n",
                  {{"up.sql", "ALTER TABLE core.t_aaaa ADD COLUMN n int;"},
                   {"down.sql", "ALTER TABLE core.t_aaaa DROP COLUMN n;"},
                   {"verify.sql", "SELECT 1 FROM core.t_aaaa WHERE n < 0;"}});
  }
};

TEST_F(LocksTest, NamesTheBlockerWhenTimeIsUp) {
  WriteAlter(1);
  ASSERT_OK(Upgrade("aaaa"));
  const auto blocker = Open();
  ASSERT_OK(blocker->Script("BEGIN; SELECT * FROM core.t_aaaa;"));
  absl::SleepFor(2 * kIdleFor);

  const auto blocked = Upgrade();

  EXPECT_THAT(blocked, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_EQ(ExitClassOf(blocked.status()), ExitClass::kBlocked);
  EXPECT_EQ(MetadataOf(blocked.status(), "blocker_pid"), std::to_string(blocker->backend_pid()));
  EXPECT_EQ(MetadataOf(blocked.status(), "blocker_kind"), "idle_in_transaction");
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("SELECT pg_terminate_backend("));
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("the-blocker"));
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("SELECT * FROM core.t_aaaa"));
  EXPECT_THAT(sink_.Messages("step_blocked"),
              Contains(HasSubstr("the-blocker, idle in transaction")));
  // It was not even sent.
  EXPECT_THAT(sink_.Messages("step_retried"), IsEmpty());
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_locks WHERE relation = 'core.t_aaaa'::regclass"
                          " AND pid <> " +
                          std::to_string(blocker->backend_pid())),
            "0");
}

TEST_F(LocksTest, WaitsForTheRowOfTheLeaseAsForAnotherRun) {
  folder_.AddRevision("catalog", "aaaa");
  const auto blocker = Open();
  ASSERT_OK(blocker->Script("BEGIN; SELECT 1 FROM migration.lease FOR KEY SHARE;"));
  EngineOptions options = Options();
  options.lease_wait = absl::Milliseconds(100);

  const auto held =
      NewEngine(options)->Upgrade(Context::WithTimeout(absl::Seconds(10)), "head", {}, sink_);

  EXPECT_THAT(held, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEASE_HELD")));
  EXPECT_THAT(sink_.Messages("waiting_for_lease"), Contains(HasSubstr("the row of the lease")));
}

TEST_F(LocksTest, RunnerWhoseSessionTheServerHidesIsNotDead) {
  folder_.AddRevision("catalog", "aaaa");
  // The server tells a role when the connections of others began only if it may see their
  // statistics. Roles belong to the cluster, so this one has a name of its own.
  const std::string role = "runner_" + NewUuid().substr(0, 8);
  db_.Execute("CREATE ROLE " + role + " LOGIN; GRANT USAGE ON SCHEMA migration TO " + role +
              "; GRANT ALL ON ALL TABLES IN SCHEMA migration TO " + role +
              "; GRANT USAGE ON ALL SEQUENCES IN SCHEMA migration TO " + role +
              "; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA migration TO " + role);
  const auto holder = Open();
  db_.Execute(
      "UPDATE migration.lease SET token = 5, expires_at = now() + interval '1 hour';"
      " INSERT INTO migration.runner_sessions (pid, backend_start, token, holder, purpose)"
      " SELECT pid, backend_start, 5, gen_random_uuid(), 'runner' FROM pg_stat_activity"
      " WHERE pid = " +
      std::to_string(holder->backend_pid()));
  EngineOptions options = Options();
  options.database_url = db_.url(role);
  options.lease_wait = absl::Milliseconds(300);

  EXPECT_THAT(NewEngine(options)->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEASE_HELD")));
  EXPECT_THAT(holder->Query("SELECT 1"), IsOk());
  EXPECT_EQ(db_.QueryText("SELECT token FROM migration.lease"), "5");
  db_.Execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(LocksTest, RunThatNeverGotTheLeaseHasItsLogInTheLedger) {
  folder_.AddRevision("catalog", "aaaa");
  db_.Execute(
      "UPDATE migration.lease SET actor = 'somebody', expires_at = now() + interval '1 hour'");
  EngineOptions options = Options();
  // Long enough for the state below to be read while it waits, also on a busy machine.
  options.lease_wait = absl::Seconds(6);
  const auto engine = NewEngine(options);
  const std::string id = NewUuid();
  absl::StatusOr<RunReport> report;
  std::thread waiter([&] { report = engine->Upgrade(context_, "head", {.run_id = id}, sink_); });
  // Watchers of the ledger learn what it waits for while it waits.
  const absl::Time deadline = absl::Now() + options.lease_wait;
  while (db_.QueryText("SELECT count(*) FROM migration.run_events WHERE kind = "
                       "'waiting_for_lease'") == "0" &&
         absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_EQ(db_.QueryText("SELECT state FROM migration.runs"), "waiting");
  EXPECT_EQ(db_.QueryText("SELECT string_agg(kind, ',' ORDER BY event_offset) FROM "
                          "migration.run_events"),
            "run_started,waiting_for_lease");
  waiter.join();

  EXPECT_THAT(report, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEASE_HELD")));
  EXPECT_EQ(db_.QueryText("SELECT string_agg(kind, ',' ORDER BY event_offset) FROM "
                          "migration.run_events"),
            "run_started,waiting_for_lease,run_finished");
  EXPECT_EQ(db_.QueryText("SELECT state FROM migration.runs"), "blocked");
}

TEST_F(LocksTest, GoesOnWhenTheBlockerLetsGo) {
  WriteAlter(30);
  ASSERT_OK(Upgrade("aaaa"));
  const auto blocker = Open();
  ASSERT_OK(blocker->Script("BEGIN; SELECT * FROM core.t_aaaa;"));
  std::thread releaser([&] {
    while (sink_.Messages("step_blocked").empty()) std::this_thread::yield();
    EXPECT_THAT(blocker->Script("COMMIT"), IsOk());
  });

  const auto report = Upgrade();
  releaser.join();

  EXPECT_THAT(report, IsOk());
}

TEST_F(LocksTest, HeartbeatsPassARunningStep) {
  WriteRevision("aaaa", "",
                {{"up.sql", "DO $$ BEGIN PERFORM pg_sleep(9); END $$;"},
                 {"down.sql", "SELECT 1;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  EngineOptions options = Options();
  // Three times within the step; a heartbeat that comes two seconds late is still in time.
  options.lease_ttl = absl::Seconds(3);

  EXPECT_THAT(NewEngine(options)->Upgrade(context_, "head", {}, sink_), IsOk());
}

TEST_F(LocksTest, GivesUpWhenAnotherRunnerIsAtWork) {
  folder_.AddRevision("catalog", "aaaa");
  db_.Execute(
      "UPDATE migration.lease SET actor = 'somebody', host = 'elsewhere', expires_at = now() + "
      "interval '1 hour'");
  EngineOptions options = Options();
  options.lease_wait = absl::Milliseconds(300);

  const auto held = NewEngine(options)->Upgrade(context_, "head", {}, sink_);

  EXPECT_THAT(held, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEASE_HELD")));
  EXPECT_THAT(MessageOf(held.status()), HasSubstr("somebody on elsewhere"));
  EXPECT_EQ(db_.QueryText("SELECT state || ' ' || error_reason FROM migration.runs"),
            "blocked LEASE_HELD");
}

TEST_F(LocksTest, FailedConcurrentBuildLeavesNoInvalidIndex) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write("catalog/aaaa_x/up.sql",
                "CREATE TABLE core.t_aaaa (id uuid PRIMARY KEY, n int);\n");
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.t_aaaa SELECT gen_random_uuid(), 1 FROM generate_series(1, 2)");
  WriteRevision(
      "bbbb",
      "down_revision: \"aaaa\"\nsteps { name: \"index\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
      {{"01_index.up.sql", "CREATE UNIQUE INDEX CONCURRENTLY t_n_key ON core.t_aaaa (n);"},
       {"01_index.down.sql", "DROP INDEX CONCURRENTLY core.t_n_key;"},
       {"verify.sql", "SELECT 1 WHERE false;"}});

  const auto failed = Upgrade();
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_THAT(MessageOf(failed.status()), HasSubstr("23505"));
  EXPECT_FALSE(TableExists("core.t_n_key"));

  db_.Execute("DELETE FROM core.t_aaaa");
  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_THAT(Downgrade("base"), IsOk());
}

TEST_F(LocksTest, IndexOfAnotherDefinitionIsNotTakenForOurs) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write("catalog/aaaa_x/up.sql",
                "CREATE TABLE core.t_aaaa (id uuid PRIMARY KEY, n int);\n");
  ASSERT_OK(Upgrade());
  db_.Execute(
      "CREATE INDEX t_n_idx ON core.t_aaaa (n DESC); ALTER TABLE core.t_aaaa OWNER TO "
      "catalog_owner");
  WriteRevision(
      "bbbb",
      "down_revision: \"aaaa\"\nsteps { name: \"index\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
      {{"01_index.up.sql", "CREATE INDEX CONCURRENTLY IF NOT EXISTS t_n_idx ON core.t_aaaa (n);"},
       {"01_index.down.sql", "DROP INDEX CONCURRENTLY core.t_n_idx;"},
       {"verify.sql", "SELECT 1 WHERE false;"}});

  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_TRUE(TableExists("core.t_n_idx"));
}

TEST_F(LocksTest, PrivilegedStepRunsAsAdministrator) {
  WriteRevision("aaaa", "steps { name: \"extension\" kind: STEP_KIND_PRIVILEGED }\n",
                {{"01_extension.up.sql", "CREATE EXTENSION pg_trgm SCHEMA core;"},
                 {"01_extension.down.sql", "DROP EXTENSION pg_trgm;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  EngineOptions options = Options();
  options.admin_url = db_.url();

  ASSERT_OK(NewEngine(options)->Upgrade(context_, "head", {}, sink_));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"), "1");
  ASSERT_OK(NewEngine(options)->Downgrade(context_, "base", {}, sink_));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"), "0");
}

TEST_F(LocksTest, PrivilegedStepIsPrintedAndWaitedFor) {
  WriteRevision("aaaa", "steps { name: \"extension\" kind: STEP_KIND_PRIVILEGED }\n",
                {{"01_extension.up.sql", "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA core;"},
                 {"01_extension.down.sql", "DROP EXTENSION pg_trgm;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  EngineOptions impatient = Options();
  impatient.privileged_wait = absl::Milliseconds(300);
  const auto pending = NewEngine(impatient)->Upgrade(context_, "head", {}, sink_);
  EXPECT_THAT(pending,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PRIVILEGED_STEP_PENDING")));
  EXPECT_EQ(ExitClassOf(pending.status()), ExitClass::kInProgress);

  CollectingSink sink;
  std::thread administrator([&] {
    while (sink.Messages("privileged_sql").empty()) std::this_thread::yield();
    EXPECT_THAT(sink.Messages("privileged_sql"), Contains(HasSubstr("CREATE EXTENSION")));
    db_.Execute("CREATE EXTENSION pg_trgm SCHEMA core");
  });
  EXPECT_THAT(NewEngine()->Upgrade(context_, "head", {}, sink), IsOk());
  administrator.join();
}

}  // namespace
}  // namespace lockstep::migration
