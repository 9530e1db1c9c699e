// Runners in processes of their own that are stopped, killed, overtaken, or start all at once.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/clock.h"
#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/lease.h"
#include "tests/integration/services/migration/engine_fixture.h"
#include "tests/integration/services/migration/runner_process.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Does something at the first event of a kind, while the run goes no further.
class StoppingSink final : public EventSink {
 public:
  StoppingSink(std::string kind, absl::AnyInvocable<void()> then)
      : kind_(std::move(kind)), then_(std::move(then)) {}
  void OnEvent(const RunEvent& event) override {
    if (event.kind == kind_ && then_) std::exchange(then_, nullptr)();
  }

 private:
  const std::string kind_;
  absl::AnyInvocable<void()> then_;
};

class TakeoverTest : public EngineTest {
 protected:
  TakeoverTest() {
    // A plain step, one that the engine checks in parts, one outside of transactions, one in a
    // second revision.
    WriteRevision(
        "aaaa",
        "steps { name: \"plain\" }\nsteps { name: \"parts\" }\n"
        "steps { name: \"outside\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
        {{"01_plain.up.sql", "CREATE TABLE core.a (id int PRIMARY KEY, n int);"},
         {"01_plain.down.sql", "DROP TABLE core.a;"},
         {"02_parts.up.sql",
          "DO $$ BEGIN INSERT INTO core.a SELECT n, n FROM generate_series(1, 50) AS n; END $$;"},
         {"02_parts.down.sql", "DELETE FROM core.a;"},
         {"03_outside.up.sql", "CREATE UNIQUE INDEX CONCURRENTLY a_n_key ON core.a (n);"},
         {"03_outside.down.sql", "DROP INDEX CONCURRENTLY core.a_n_key;"},
         {"verify.sql", "SELECT id FROM core.a WHERE n < 0;"}});
    folder_.AddRevision("orders", "bbbb", "depends_on: \"aaaa\"\n");
  }

  std::unique_ptr<RunnerProcess> Start(const std::string& verb, const std::string& target,
                                       const std::string& killpoint = "",
                                       const std::string& signal = "",
                                       const std::string& record = "") const {
    return std::make_unique<RunnerProcess>(db_.url("lockstep_migrator"), folder_.root(),
                                           RunnerOrders{.verb = verb,
                                                        .target = target,
                                                        .killpoint = killpoint,
                                                        .signal = signal,
                                                        .record = record});
  }

  // Everything that a runner may change, but for the runs and their logs.
  std::string Everything() const {
    return db_.QueryText(
        "SELECT (SELECT string_agg(oid || ':' || xmin::text, ',' ORDER BY oid) FROM pg_class WHERE "
        "oid > 16000) ||"
        " (SELECT string_agg(revision || ordinal || xmin::text, ',' ORDER BY revision, ordinal) "
        "FROM migration.applied_steps) ||"
        " (SELECT string_agg(log_id || ':' || revision || ordinal, ',' ORDER BY log_id) FROM "
        "migration.step_log) ||"
        " (SELECT count(*)::text FROM migration.run_events) || (SELECT count(*)::text FROM core.a) "
        "||"
        " (SELECT string_agg(run_id::text || state, ',' ORDER BY run_id) FROM migration.runs) ||"
        " (SELECT token::text FROM migration.lease)");
  }
  // The state that every run has to end in.
  void ExpectConverged() const {
    EXPECT_EQ(AppliedText(), "aaaa:1,2,3! bbbb:1!");
    EXPECT_EQ(db_.QueryText("SELECT count(*) || ' ' || sum(n) FROM core.a"), "50 1275");
    EXPECT_EQ(
        db_.QueryText("SELECT string_agg(c.relname || ' ' || indisvalid, ',' ORDER BY c.relname) "
                      "FROM pg_index i"
                      " JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'core.a'::regclass"),
        "a_n_key true,a_pkey true");
    EXPECT_EQ(
        db_.QueryText("SELECT string_agg(revision || ordinal, ',' ORDER BY revision, ordinal) FROM"
                      " migration.step_log"),
        "aaaa1,aaaa2,aaaa3,bbbb1");
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runner_sessions"), "0");
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_intents"), "0");
    EXPECT_EQ(
        db_.QueryText("SELECT count(*) FROM migration.runs WHERE state IN ('running', 'waiting')"),
        "0");
  }
};

// The first of the two guards, without the second, which ends the predecessor's sessions.
TEST_F(TakeoverTest, LeaseCannotBeTakenOverDuringAStepsTransactionButRenewed) {
  const std::string holder = "'" + NewUuid() + "'";
  db_.Execute("UPDATE migration.lease SET token = 5, holder = " + holder +
              ", expires_at = clock_timestamp() + interval '1 minute'");
  const auto open = [&] {
    pg::ConnectionOptions options;
    options.database_url = db_.url("lockstep_migrator");
    return pg::Connection::Open(options);
  };
  ASSERT_OK_AND_ASSIGN(const auto successor, open());
  for (const std::string& fence :
       {"SELECT migration.assert_lease(5, " + holder + ")",
        "SELECT migration.begin_plain_step(5, " + holder + ", '2s', '1min', 'catalog_owner')"}) {
    SCOPED_TRACE(fence);
    ASSERT_OK_AND_ASSIGN(const auto runner, open());
    ASSERT_OK(runner->Script("BEGIN; " + fence).status());

    EXPECT_THAT(successor->Script("SET lock_timeout = '100ms'; UPDATE migration.lease"
                                  " SET expires_at = clock_timestamp() + interval '1 minute'"),
                IsOk());
    EXPECT_THAT(successor->Script("UPDATE migration.lease SET token = 6"),
                StatusIs(absl::StatusCode::kUnavailable, Reason("LOCK_TIMEOUT")));
  }
}

TEST_F(TakeoverTest, StoppedBetweenCheckAndCommitChangesNothingMore) {
  const auto first = Start("upgrade", "head", "step_checked", "STOP");
  ASSERT_TRUE(first->WaitUntilStopped()) << first->Output();

  ASSERT_OK(Upgrade());
  EXPECT_THAT(sink_.Messages("lease_taken_over"), SizeIs(1));
  ExpectConverged();
  const std::string before = Everything();
  first->Continue();

  EXPECT_NE(first->Wait(), 0);
  EXPECT_EQ(Everything(), before);
  EXPECT_EQ(db_.QueryText("SELECT state FROM migration.runs WHERE actor = 'process'"),
            "interrupted");
}

TEST_F(TakeoverTest, StoppedBeforeConcurrentBuildChangesNothingMore) {
  const auto first = Start("upgrade", "head", "concurrent_before_send", "STOP");
  ASSERT_TRUE(first->WaitUntilStopped()) << first->Output();

  ASSERT_OK(Upgrade());
  ExpectConverged();
  const std::string before = Everything();
  first->Continue();

  EXPECT_NE(first->Wait(), 0);
  EXPECT_EQ(Everything(), before);
}

TEST_F(TakeoverTest, RunnerThatLostItsLeaseSaysSo) {
  const auto first = Start("upgrade", "head", "step_end:1", "STOP");
  ASSERT_TRUE(first->WaitUntilStopped()) << first->Output();
  ASSERT_OK(Upgrade());
  first->Continue();

  EXPECT_EQ(first->Wait(), static_cast<int>(ExitClass::kFailed));
  EXPECT_THAT(first->Output(), HasSubstr("LEASE_LOST"));
}

TEST_F(TakeoverTest, OvertakenOnItsWayInEndsNoConnectionOfTheNext) {
  // Stopped with the lease, but before its connection is recorded: nobody can end that.
  const auto first = Start("upgrade", "head", "lease_taken", "STOP");
  ASSERT_TRUE(first->WaitUntilStopped()) << first->Output();
  int exit_code = 0;
  StoppingSink sink("step_started", [&] {
    first->Continue();
    exit_code = first->Wait();
  });

  EXPECT_THAT(NewEngine()->Upgrade(context_, "head", {}, sink), IsOk());

  EXPECT_EQ(exit_code, static_cast<int>(ExitClass::kFailed));
  EXPECT_THAT(first->Output(), HasSubstr("LEASE_LOST"));
  ExpectConverged();
}

TEST_F(TakeoverTest, LeaseIsRenewedWhileItsHolderWaitsForTheOneBefore) {
  pg::ConnectionOptions options;
  options.database_url = db_.url();
  ASSERT_OK_AND_ASSIGN(const auto other, pg::Connection::Open(options));
  ASSERT_OK(other->Query("SELECT pg_advisory_lock($1)", kRunnerAdvisoryLock));
  const auto runner = Start("upgrade", "head");
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (db_.QueryText("SELECT heartbeat_at > acquired_at + interval '3 seconds' FROM "
                       "migration.lease") != "t") {
    ASSERT_LT(absl::Now(), deadline) << "its lease of three seconds ran out";
    absl::SleepFor(absl::Milliseconds(5));
  }
  ASSERT_OK(other->Query("SELECT pg_advisory_unlock_all()"));

  EXPECT_EQ(runner->Wait(), 0) << runner->Output();
  ExpectConverged();
}

TEST_F(TakeoverTest, TenRunnersAtOnceDoTheWorkOnce) {
  std::vector<std::unique_ptr<RunnerProcess>> runners;
  for (int i = 0; i < 10; ++i) runners.push_back(Start("upgrade", "head"));

  for (const auto& runner : runners) EXPECT_EQ(runner->Wait(), 0) << runner->Output();

  ExpectConverged();
  EXPECT_EQ(db_.QueryText("SELECT count(DISTINCT run_id) FROM migration.step_log"), "1");
}

TEST_F(TakeoverTest, KilledAnywhereARepeatedRunConverges) {
  const std::string record = folder_.root() + "-points";
  {
    const auto recording = Start("upgrade", "head", "", "", record);
    ASSERT_EQ(recording->Wait(), 0) << recording->Output();
  }
  ExpectConverged();
  std::ifstream in(record);
  const std::vector<std::string> hits{std::istream_iterator<std::string>(in), {}};
  std::filesystem::remove(record);
  const std::set<std::string> points(hits.begin(), hits.end());
  // Nobody took a boundary away: between COMMIT sent and reply is one of them.
  EXPECT_THAT(points, ::testing::IsSupersetOf({"step_commit_sent", "step_checked",
                                               "concurrent_sent", "concurrent_intent_recorded",
                                               "lease_taken", "step_committed"}));
  EXPECT_GE(points.size(), 25U);
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    // Back to the start, as an administrator would not.
    db_.Execute(
        "DROP TABLE IF EXISTS core.a; DROP TABLE IF EXISTS transactions.t_bbbb; TRUNCATE "
        "migration.applied_steps,"
        " migration.applied_revisions, migration.archived_scripts, migration.step_log, "
        "migration.step_intents,"
        " migration.step_failures, migration.verification_results, migration.run_events, "
        "migration.runs CASCADE;");
    const auto victim = Start("upgrade", "head", point, "KILL");
    ASSERT_EQ(victim->Wait(), -SIGKILL) << victim->Output();

    const absl::Time killed = absl::Now();
    const auto next = Start("upgrade", "head");
    ASSERT_EQ(next->Wait(), 0) << next->Output();
    EXPECT_LT(absl::Now() - killed, absl::Seconds(5));
    // A run that never had the lease may still be waiting for it, as far as anybody can tell.
    if (point == "run_recorded") db_.Execute("DELETE FROM migration.runs WHERE state = 'waiting'");
    ExpectConverged();
  }
}

TEST_F(TakeoverTest, WhatARunKilledBeforeItsVerificationDidIsVerifiedByTheNext) {
  folder_.Write("catalog/aaaa_x/verify.sql", "SELECT id FROM core.a WHERE id = 7;");
  const auto victim = Start("upgrade", "head", "verify_begin", "KILL");
  ASSERT_EQ(victim->Wait(), -SIGKILL) << victim->Output();
  EXPECT_EQ(AppliedText(), "aaaa:1,2,3! bbbb:1!");

  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_FAILED")));
  EXPECT_EQ(
      db_.QueryText("SELECT string_agg(state, ',' ORDER BY started_order) FROM migration.runs"),
      "interrupted,failed");
  EXPECT_THAT(sink_.Messages("predecessor_interrupted"), SizeIs(1));

  // Said once: from here on it is a matter of `verify`.
  ASSERT_OK_AND_ASSIGN(const RunReport report, Upgrade());
  EXPECT_TRUE(report.nothing_to_do);
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs"), "2");
}

TEST_F(TakeoverTest, RunWithOtherWorkVerifiesWhatAKilledOneDid) {
  folder_.Write("catalog/aaaa_x/verify.sql", "SELECT id FROM core.a WHERE id = 7;");
  const auto victim = Start("upgrade", "aaaa", "verify_begin", "KILL");
  ASSERT_EQ(victim->Wait(), -SIGKILL) << victim->Output();

  EXPECT_THAT(Upgrade("bbbb"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_FAILED")));
  EXPECT_EQ(AppliedText(), "aaaa:1,2,3! bbbb:1!");
}

TEST_F(TakeoverTest, NothingIsLeftOverFromARunThatGoesOn) {
  const auto first = Start("upgrade", "head", "verify_begin", "STOP");
  ASSERT_TRUE(first->WaitUntilStopped()) << first->Output();
  db_.Execute("UPDATE migration.lease SET expires_at = now() + interval '1 hour'");

  ASSERT_OK_AND_ASSIGN(const RunReport report, Upgrade());

  EXPECT_TRUE(report.nothing_to_do);
  first->Continue();
  EXPECT_EQ(first->Wait(), 0) << first->Output();
  ExpectConverged();
}

TEST_F(TakeoverTest, InvalidIndexOfAKilledBuildIsBuiltAgain) {
  ASSERT_OK(Upgrade("aaaa"));
  ASSERT_OK(Downgrade("base"));
  db_.Execute("TRUNCATE migration.step_log");
  // A reader keeps the build waiting until its runner is dead.
  pg::ConnectionOptions options;
  options.database_url = db_.url();
  ASSERT_OK_AND_ASSIGN(const auto reader, pg::Connection::Open(options));
  ASSERT_OK(
      reader->Script("BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE core.other (i int);"));
  const auto first = Start("upgrade", "head", "concurrent_sent", "STOP");
  ASSERT_TRUE(first->WaitUntilStopped()) << first->Output();
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (db_.QueryText("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0") {
    ASSERT_LT(absl::Now(), deadline);
  }
  std::thread releaser([&] {
    // The build ends with its backend, which the next runner terminates.
    while (db_.QueryText("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE UNIQUE%' "
                         "AND state = 'active'"
                         " AND datname = current_database()") != "0") {
    }
    EXPECT_THAT(reader->Script("ROLLBACK"), IsOk());
  });

  const auto report = Upgrade();
  releaser.join();

  ASSERT_OK(report);
  EXPECT_THAT(sink_.Messages("index_resumed"), Contains(HasSubstr("core.a_n_key")));
  ExpectConverged();
}

}  // namespace
}  // namespace lockstep::migration
