#include "common/pg/pool.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "common/pg/sqlstate.h"
#include "common/status/macros.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "tests/integration/common/pg/lossy_proxy.h"
#include "tests/support/test_database.h"

namespace lockstep::pg {
namespace {

using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using lockstep::testing::TestDatabase;

Context Soon() { return Context::WithTimeout(absl::Seconds(20)); }

// Waits until `sql` returns true over `observer`, at most ten seconds.
bool Eventually(Connection& observer, const std::string& sql) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (absl::Now() < deadline) {
    const auto result = observer.Query("SELECT (" + sql + ") AS holds");
    if (result.ok() && (*result)[0].Get<bool>("holds")) return true;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return false;
}

class PoolTest : public ::testing::TestWithParam<bool> {
 protected:
  PoolOptions Options(int size = 2) {
    PoolOptions options;
    options.database_url = database_.url();
    options.application_name = "pool-test";
    options.size = size;
    options.prepare_statements = GetParam();
    return options;
  }

  TestDatabase database_ = TestDatabase::Create();
};

INSTANTIATE_TEST_SUITE_P(Statements, PoolTest, ::testing::Bool(), [](const auto& tested) {
  return tested.param ? "Prepared" : "Unprepared";
});

TEST_P(PoolTest, CommitsOnSuccessAndRollsBackOnError) {
  Pool pool(Options());
  database_.Execute("CREATE TABLE t (i int)");

  ASSERT_OK(pool.Write(Soon(), [](Tx& tx) -> absl::Status {
    return tx.Execute("INSERT INTO t VALUES ($1)", 1).status();
  }));
  EXPECT_THAT(pool.Write(Soon(),
                         [](Tx& tx) -> absl::Status {
                           RETURN_IF_ERROR(tx.Execute("INSERT INTO t VALUES ($1)", 2).status());
                           return Error(absl::StatusCode::kNotFound, "X", "x");
                         }),
              StatusIs(absl::StatusCode::kNotFound));

  EXPECT_EQ(database_.QueryText("SELECT string_agg(i::text, ',') FROM t"), "1");
}

TEST_P(PoolTest, ReadRefusesWrites) {
  Pool pool(Options());
  database_.Execute("CREATE TABLE t (i int)");

  EXPECT_THAT(pool.Read(Soon(),
                        [](Tx& tx) -> absl::Status {
                          return tx.Execute("INSERT INTO t VALUES (1)").status();
                        }),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("READ_ONLY_TRANSACTION")));
}

TEST_P(PoolTest, RunsAgainAfterADeadlock) {
  Pool pool(Options());
  database_.Execute("CREATE TABLE t (i int PRIMARY KEY, n int); INSERT INTO t VALUES (1,0),(2,0)");
  std::atomic<int> first_locks = 0;
  std::atomic<int> runs = 0;
  const auto transfer = [&](int first, int second) {
    return pool.Write(Soon(), [&, first, second](Tx& tx) -> absl::Status {
      ++runs;
      const std::string update = "UPDATE t SET n = n + 1 WHERE i = $1";
      RETURN_IF_ERROR(tx.Execute(update, first).status());
      ++first_locks;
      while (first_locks < 2) std::this_thread::yield();
      return tx.Execute(update, second).status();
    });
  };

  absl::Status other;
  std::thread thread([&] { other = transfer(2, 1); });
  const absl::Status mine = transfer(1, 2);
  thread.join();

  EXPECT_OK(mine);
  EXPECT_OK(other);
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(database_.QueryText("SELECT string_agg(n::text, ',') FROM t"), "2,2");
}

TEST_P(PoolTest, ReplacesConnectionsThatDied) {
  Pool pool(Options());
  ASSERT_OK(pool.Write(Soon(), [](Tx& tx) { return tx.Execute("SELECT 1").status(); }));
  database_.Execute(
      "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
      " WHERE application_name = 'pool-test'");

  EXPECT_OK(pool.Write(Soon(), [](Tx& tx) { return tx.Execute("SELECT 1").status(); }));
}

TEST_P(PoolTest, DoesNotRunAgainWhatWasInterruptedHalfWay) {
  Pool pool(Options());
  int runs = 0;

  EXPECT_THAT(
      pool.Write(Soon(),
                 [&](Tx& tx) -> absl::Status {
                   ++runs;
                   return tx.Execute("SELECT pg_terminate_backend(pg_backend_pid())").status();
                 }),
      StatusIs(absl::StatusCode::kUnavailable, Reason("DATABASE_UNREACHABLE")));
  EXPECT_EQ(runs, 1);
}

TEST_P(PoolTest, SurvivesAColumnAddedBehindAPreparedStatement) {
  Pool pool(Options(1));
  database_.Execute("CREATE TABLE t (i int); INSERT INTO t VALUES (1)");
  const auto read = [&] {
    return pool.Read(Soon(), [](Tx& tx) -> absl::StatusOr<int64_t> {
      ASSIGN_OR_RETURN(Row row, tx.One("SELECT * FROM t"));
      return row.Get<int64_t>("i");
    });
  };
  ASSERT_THAT(read(), IsOkAndHolds(1));
  database_.Execute("ALTER TABLE t ADD COLUMN j int");

  EXPECT_THAT(read(), IsOkAndHolds(1));
}

TEST_P(PoolTest, CancelEndsTheQueryWithin100Milliseconds) {
  Pool pool(Options());
  ConnectionOptions direct;
  direct.database_url = database_.url();
  ASSERT_OK_AND_ASSIGN(const auto observer, Connection::Open(direct));
  const std::string running =
      "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
      " AND state = 'active' AND datname = current_database())";
  // The best of five: the machine may be busy with something else, always slow it is not.
  absl::Duration quickest = absl::InfiniteDuration();
  for (int i = 0; i < 5 && quickest > absl::Milliseconds(100); ++i) {
    const Context context = Soon();
    absl::Status status;
    std::thread caller([&] {
      status =
          pool.Read(context, [](Tx& tx) { return tx.Execute("SELECT pg_sleep(30)").status(); });
    });
    EXPECT_TRUE(Eventually(*observer, running));

    const absl::Time cancelled_at = absl::Now();
    context.Cancel();
    EXPECT_TRUE(Eventually(*observer, "NOT " + running));
    quickest = std::min(quickest, absl::Now() - cancelled_at);
    caller.join();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled, Reason("CALL_CANCELLED")));
  }
  EXPECT_LE(quickest, absl::Milliseconds(100));
}

TEST_P(PoolTest, DeadlineBecomesTheStatementTimeout) {
  Pool pool(Options(1));
  // With a connection at hand, the time that is left is the statement's alone.
  ASSERT_OK(pool.Read(Soon(), [](Tx& tx) { return tx.Execute("SELECT 1").status(); }));

  EXPECT_THAT(pool.Read(Context::WithTimeout(absl::Milliseconds(80)),
                        [](Tx& tx) { return tx.Execute("SELECT pg_sleep(30)").status(); }),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(pool.Read(Context::WithTimeout(absl::ZeroDuration()),
                        [](Tx& tx) { return tx.Execute("SELECT 1").status(); }),
              StatusIs(absl::StatusCode::kDeadlineExceeded, Reason("DEADLINE_PASSED")));
}

TEST_P(PoolTest, SaysSoWhenEveryConnectionIsBusy) {
  PoolOptions options = Options(1);
  options.acquire_timeout = absl::Milliseconds(30);
  Pool pool(options);

  ASSERT_OK(pool.Read(Soon(), [&](Tx&) -> absl::Status {
    EXPECT_THAT(pool.Read(Soon(), [](Tx&) { return absl::OkStatus(); }),
                StatusIs(absl::StatusCode::kResourceExhausted, Reason("POOL_EXHAUSTED")));
    return absl::OkStatus();
  }));
  EXPECT_OK(pool.Ping(absl::Seconds(2)));
}

// The backend dies while COMMIT waits for a deferred trigger: the change is not there and the
// caller is told so.
TEST_P(PoolTest, LearnsThatALostCommitDidNotHappen) {
  Pool pool(Options());
  database_.Execute(
      "CREATE TABLE t (i int);"
      "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
      " $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$;"
      "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED"
      " FOR EACH ROW EXECUTE FUNCTION die()");

  EXPECT_THAT(
      pool.Write(Soon(), [](Tx& tx) { return tx.Execute("INSERT INTO t VALUES (1)").status(); }),
      StatusIs(absl::StatusCode::kUnavailable, Reason("DATABASE_UNREACHABLE")));
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM t"), "0");
}

// Inserts into t through `proxy`, which loses the answer to COMMIT, and counts the runs.
absl::Status InsertThrough(const LossyProxy& proxy, PoolOptions options, int* runs) {
  options.database_url += " host=" + proxy.host();
  Pool pool(options);
  return pool.Write(Soon(), [&](Tx& tx) {
    ++*runs;
    return tx.Execute("INSERT INTO t VALUES (1)").status();
  });
}

TEST_P(PoolTest, LearnsThatALostCommitHappened) {
  database_.Execute("CREATE TABLE t (i int)");
  const LossyProxy proxy(database_.QueryText("SHOW unix_socket_directories"),
                         LossyProxy::When::kAnswered);
  int runs = 0;

  EXPECT_OK(InsertThrough(proxy, Options(), &runs));

  EXPECT_TRUE(proxy.has_lost());
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM t"), "1");
}

// The server is still at the COMMIT, in a deferred trigger, when its outcome is first asked for.
TEST_P(PoolTest, AwaitsALostCommitThatIsUnderWay) {
  database_.Execute(
      "CREATE TABLE t (i int);"
      "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS"
      " $$BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END$$;"
      "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED"
      " FOR EACH ROW EXECUTE FUNCTION hold()");
  ConnectionOptions direct;
  direct.database_url = database_.url();
  ASSERT_OK_AND_ASSIGN(const auto holder, Connection::Open(direct));
  ASSERT_OK(holder->Script("SELECT pg_advisory_lock(7)"));
  const LossyProxy proxy(database_.QueryText("SHOW unix_socket_directories"),
                         LossyProxy::When::kSent);
  int runs = 0;
  absl::Status status;
  std::thread caller([&] { status = InsertThrough(proxy, Options(), &runs); });

  // The second client asks for the outcome; a third comes only when that was not the last word.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (proxy.clients() < 3 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_GE(proxy.clients(), 3);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM t"), "0");
  EXPECT_OK(holder->Script("SELECT pg_advisory_unlock(7)"));
  caller.join();

  EXPECT_OK(status);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM t"), "1");
}

// The database is gone at the COMMIT of a call that has half an hour: its thread is not to ask for
// as long when nobody waits any more, as when the process is told to stop.
TEST_P(PoolTest, GivesUpOnALostCommitSoonAfterItsCallIsCancelled) {
  const LossyProxy proxy(database_.QueryText("SHOW unix_socket_directories"),
                         LossyProxy::When::kDown);
  PoolOptions options = Options();
  options.database_url += " host=" + proxy.host();
  options.resolve_grace = absl::Milliseconds(200);
  Pool pool(options);
  const Context context = Context::WithTimeout(absl::Minutes(30));
  absl::Status status;
  std::thread caller([&] {
    status = pool.Write(context, [](Tx& tx) { return tx.Execute("SELECT 1").status(); });
  });
  // It has asked twice, in vain.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (proxy.clients() < 3 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_GE(proxy.clients(), 3);

  const absl::Time cancelled_at = absl::Now();
  context.Cancel();
  caller.join();

  EXPECT_LT(absl::Now() - cancelled_at, absl::Seconds(5));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnknown, Reason("COMMIT_OUTCOME_UNKNOWN")));
}

TEST_P(PoolTest, TurnsAProgrammingErrorIntoAStatus) {
  Pool pool(Options());

  EXPECT_THAT(pool.Read(Soon(),
                        [](Tx& tx) -> absl::StatusOr<std::string> {
                          ASSIGN_OR_RETURN(Row row, tx.One("SELECT 1 AS a"));
                          return row.Text("b");
                        }),
              StatusIs(absl::StatusCode::kInternal, Reason("INVARIANT_BROKEN")));
}

}  // namespace
}  // namespace lockstep::pg
