// A pool that is suspended has no connection, whatever was under way.
#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "common/pg/pool.h"
#include "common/status/error.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace lockstep::pg {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using lockstep::testing::TestDatabase;
using std::chrono::milliseconds;
using std::chrono::seconds;

Context Soon() { return Context::WithTimeout(absl::Seconds(20)); }
absl::Status Why() {
  return Error(absl::StatusCode::kUnavailable, "LEASE_NOT_RENEWED", "no lease");
}
auto IsRefused() { return StatusIs(absl::StatusCode::kUnavailable, Reason("LEASE_NOT_RENEWED")); }

class SuspendedPool : public ::testing::Test {
 protected:
  PoolOptions Options(std::shared_ptr<Access> access = nullptr) {
    PoolOptions options;
    options.database_url = database_.url();
    options.application_name = "suspend-test";
    options.access = std::move(access);
    return options;
  }
  std::string Sessions(const std::string& condition = "true") {
    return database_.QueryText(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'suspend-test' AND " +
        condition);
  }
  // The server takes a moment to end what was closed.
  bool BecomesTrue(const std::function<bool()>& condition) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (!condition()) {
      if (absl::Now() > give_up) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }
  static absl::Status Select(Pool& pool, const std::string& sql) {
    return pool.Write(Soon(), [&sql](Tx& tx) { return tx.Execute(sql).status(); });
  }

  TestDatabase database_ = TestDatabase::Create();
};

TEST_F(SuspendedPool, ClosesIdleConnectionsAndRefusesUntilItIsResumed) {
  Pool pool(Options());
  ASSERT_OK(Select(pool, "SELECT 1"));
  ASSERT_OK(pool.Ping(absl::Seconds(1)));
  ASSERT_EQ(Sessions(), "2");

  pool.Suspend(Why(), seconds(1));

  EXPECT_TRUE(BecomesTrue([&] { return Sessions() == "0"; }));
  EXPECT_EQ(pool.stats().open, 0);
  EXPECT_THAT(Select(pool, "SELECT 1"), IsRefused());
  EXPECT_THAT(pool.Ping(absl::Seconds(1)), IsRefused());
  EXPECT_EQ(Sessions(), "0");

  pool.Resume();
  EXPECT_OK(Select(pool, "SELECT 1"));
  EXPECT_OK(pool.Ping(absl::Seconds(1)));
}

TEST_F(SuspendedPool, CancelsWhatRuns) {
  Pool pool(Options());
  absl::Status outcome;
  std::thread caller([&] { outcome = Select(pool, "SELECT pg_sleep(15)"); });
  ASSERT_TRUE(BecomesTrue([&] { return Sessions("state = 'active'") == "1"; }));

  pool.Suspend(Why(), seconds(5));

  EXPECT_EQ(pool.stats().open, 0);
  caller.join();
  EXPECT_THAT(outcome, IsRefused());
  EXPECT_TRUE(BecomesTrue([&] { return Sessions() == "0"; }));
}

// The function of a transaction may be anywhere, also far from the database.
TEST_F(SuspendedPool, CutsOffATransactionThatDoesNotEnd) {
  database_.Execute("CREATE TABLE t (i int)");
  Pool pool(Options());
  std::atomic<bool> is_begun = false;
  std::atomic<bool> may_go_on = false;
  absl::Status outcome;
  std::thread caller([&] {
    outcome = pool.Write(Soon(), [&](Tx& tx) -> absl::Status {
      const absl::Status first = tx.Execute("INSERT INTO t VALUES (1)").status();
      is_begun = true;
      while (!may_go_on) std::this_thread::yield();
      return first.ok() ? tx.Execute("INSERT INTO t VALUES (2)").status() : first;
    });
  });
  ASSERT_TRUE(BecomesTrue([&] { return is_begun.load(); }));

  const auto begin = std::chrono::steady_clock::now();
  pool.Suspend(Why(), milliseconds(200));

  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(2));
  EXPECT_TRUE(BecomesTrue([&] { return Sessions() == "0"; }));
  may_go_on = true;
  caller.join();
  EXPECT_THAT(outcome, IsRefused());
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM t"), "0");
  pool.Resume();
  EXPECT_OK(Select(pool, "SELECT 1"));
}

TEST_F(SuspendedPool, SendsThoseAwayWhoWaitForAConnection) {
  PoolOptions options = Options();
  options.size = 1;
  Pool pool(options);
  absl::Status first;
  absl::Status second;
  std::thread busy([&] { first = Select(pool, "SELECT pg_sleep(15)"); });
  ASSERT_TRUE(BecomesTrue([&] { return Sessions("state = 'active'") == "1"; }));
  std::thread waiting([&] { second = Select(pool, "SELECT 1"); });
  ASSERT_TRUE(BecomesTrue([&] { return pool.stats().waiting == 1; }));

  pool.Suspend(Why(), seconds(5));

  busy.join();
  waiting.join();
  EXPECT_THAT(first, IsRefused());
  EXPECT_THAT(second, IsRefused());
}

TEST_F(SuspendedPool, ObeysTheAccessThatItWasMadeWith) {
  const auto access = std::make_shared<Access>(Why());
  Pool early(Options(access));
  EXPECT_THAT(Select(early, "SELECT 1"), IsRefused());

  access->Resume();
  Pool late(Options(access));
  ASSERT_OK(Select(early, "SELECT 1"));
  ASSERT_OK(Select(late, "SELECT 1"));
  access->Suspend(Why(), seconds(1));

  EXPECT_TRUE(BecomesTrue([&] { return Sessions() == "0"; }));
  EXPECT_THAT(Select(early, "SELECT 1"), IsRefused());
  EXPECT_THAT(Select(late, "SELECT 1"), IsRefused());
}

}  // namespace
}  // namespace lockstep::pg
