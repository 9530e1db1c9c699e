// What the pool does when the server itself crashes or hangs. The cluster is a test's own.
#include <signal.h>

#include <array>
#include <thread>

#include "absl/time/clock.h"
#include "common/pg/pool.h"
#include "common/status/macros.h"
#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/private_cluster.h"

namespace lockstep::pg {
namespace {

using lockstep::testing::PrivateCluster;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AnyOf;

class OutageTest : public ::testing::Test {
 protected:
  PoolOptions Options() const {
    PoolOptions options;
    options.database_url = cluster_.url();
    options.application_name = "outage-test";
    options.size = 2;
    return options;
  }
  absl::StatusOr<std::unique_ptr<Connection>> Open() const {
    ConnectionOptions options;
    options.database_url = cluster_.url();
    return Connection::Open(options);
  }

  PrivateCluster cluster_;
};

// The id of the last transaction that began, or nothing when the server cannot be reached.
std::optional<std::int64_t> TakeId(Connection& connection) {
  const auto result = connection.Query("SELECT pg_current_xact_id()::text::bigint AS id");
  if (!result.ok()) return std::nullopt;
  return (*result)[0].Get<std::int64_t>("id");
}

// A backend that dies takes the others and the memory of the server with it: ids that were assigned
// but not written yet are assigned again.
TEST_F(OutageTest, DoesNotTakeTheCommitOfAnotherTransactionForItsOwn) {
  Pool pool(Options());
  std::int64_t lost_id = 0;
  std::thread taker;

  const absl::Status status =
      pool.Write(Context::WithTimeout(absl::Seconds(30)), [&](Tx& tx) -> absl::Status {
        ASSIGN_OR_RETURN(Row row, tx.One("SELECT pg_backend_pid() AS pid,"
                                         " pg_current_xact_id()::text::bigint AS id"));
        lost_id = row.Get<std::int64_t>("id");
        kill(static_cast<pid_t>(row.Get<std::int64_t>("pid")), SIGKILL);
        taker = std::thread([this, lost_id = lost_id] {
          const absl::Time deadline = absl::Now() + absl::Seconds(20);
          std::int64_t taken = 0;
          while (taken < lost_id && absl::Now() < deadline) {
            absl::SleepFor(absl::Milliseconds(5));
            const auto connection = Open();
            if (connection.ok()) taken = TakeId(**connection).value_or(taken);
          }
          EXPECT_GE(taken, lost_id);
        });
        return absl::OkStatus();
      });
  ASSERT_TRUE(taker.joinable()) << status;
  taker.join();

  EXPECT_THAT(status,
              AnyOf(StatusIs(absl::StatusCode::kUnknown, Reason("COMMIT_OUTCOME_UNKNOWN")),
                    StatusIs(absl::StatusCode::kUnavailable, Reason("DATABASE_UNREACHABLE"))));
}

// Nobody takes the request to cancel, and the statement runs on: the calls end all the same, and so
// does the pool.
TEST_F(OutageTest, CancelledCallsEndAlthoughTheServerTakesNoRequest) {
  PoolOptions options = Options();
  options.cancel_grace = absl::Milliseconds(200);
  Pool pool(options);
  const pid_t postmaster = cluster_.postmaster_pid();
  ASSERT_GT(postmaster, 0);
  ASSERT_OK_AND_ASSIGN(const auto observer, Open());
  const Context context = Context::WithTimeout(absl::Minutes(30));
  std::array<absl::Status, 2> outcomes;
  std::array<std::thread, 2> callers;
  for (std::size_t i = 0; i < callers.size(); ++i) {
    callers[i] = std::thread([&, i] {
      outcomes[i] =
          pool.Read(context, [](Tx& tx) { return tx.Execute("SELECT pg_sleep(600)").status(); });
    });
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  std::int64_t sleeping = 0;
  while (sleeping < 2 && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
    const auto result =
        observer->Query("SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    if (result.ok()) sleeping = (*result)[0].Get<std::int64_t>("n");
  }
  EXPECT_EQ(sleeping, 2);

  kill(postmaster, SIGSTOP);
  const absl::Time cancelled_at = absl::Now();
  context.Cancel();
  for (std::thread& caller : callers) caller.join();

  EXPECT_LT(absl::Now() - cancelled_at, absl::Seconds(5));
  for (const absl::Status& outcome : outcomes) {
    EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kCancelled, Reason("CALL_CANCELLED")));
  }
  kill(postmaster, SIGCONT);
  EXPECT_OK(pool.Read(Context::WithTimeout(absl::Seconds(20)),
                      [](Tx& tx) { return tx.Execute("SELECT 1").status(); }));
}

}  // namespace
}  // namespace lockstep::pg
