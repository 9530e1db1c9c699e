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

}  // namespace
}  // namespace lockstep::pg
