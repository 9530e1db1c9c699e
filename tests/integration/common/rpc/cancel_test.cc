// A call that nobody waits for any more leaves PostgreSQL at once.
#include <thread>

#include "common/pg/pool.h"
#include "tests/integration/common/rpc/echo_server.h"
#include "tests/support/test_database.h"

namespace lockstep::rpc {
namespace {

// The best of five: see BestOfFive.
constexpr absl::Duration kLimit = absl::Milliseconds(100);
// Until then the query must have begun, however busy the machine is.
constexpr absl::Duration kDeadline = absl::Seconds(2);

class CancelledQuery : public ::testing::Test {
 protected:
  CancelledQuery() : database_(testing::TestDatabase::Create()), pool_(Options()) {
    pg::ConnectionOptions options;
    options.database_url = database_.url();
    options.application_name = "observer";
    auto observer = pg::Connection::Open(options);
    observer_ = *std::move(observer);
    server_.service.echo = [this](const Call& call,
                                  const pb::EchoRequest& in) -> absl::StatusOr<pb::EchoResponse> {
      const std::string sql = in.text() == "warm up" ? "SELECT 1" : "SELECT pg_sleep(60)";
      RETURN_IF_ERROR(pool_.Write(
          call.context(), [&](pg::Tx& tx) -> absl::Status { return tx.Query(sql).status(); }));
      return pb::EchoResponse();
    };
  }

  // Connects what the call needs: that must not take of its time.
  void WarmUp() { EXPECT_OK(server_.Echo("warm up")); }

  pg::PoolOptions Options() const {
    pg::PoolOptions options;
    options.database_url = database_.url();
    options.application_name = "handler";
    options.size = 2;
    return options;
  }

  bool IsSleeping() {
    auto result = observer_->Query(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'handler' AND state = 'active'"
        " AND datname = current_database() AND query LIKE '%pg_sleep%'");
    return result.ok() && !result->empty();
  }

  testing::TestDatabase database_;
  pg::Pool pool_;
  std::unique_ptr<pg::Connection> observer_;
  EchoServer server_;
};

TEST_F(CancelledQuery, IsGoneWithin100MillisecondsOfTheCancellation) {
  const auto measure = [&] {
    WarmUp();
    grpc::ClientContext context;
    std::thread client([&] {
      pb::EchoResponse response;
      EXPECT_EQ(server_.stub->Echo(&context, {}, &response).error_code(),
                grpc::StatusCode::CANCELLED);
    });
    EXPECT_TRUE(Eventually([&] { return IsSleeping(); }));

    const absl::Time start = absl::Now();
    context.TryCancel();
    EXPECT_TRUE(Eventually([&] { return !IsSleeping(); }));
    const absl::Duration taken = absl::Now() - start;
    client.join();
    return taken;
  };
  EXPECT_LT(BestOfFive(kLimit, measure), kLimit);
}

TEST_F(CancelledQuery, IsGoneWithin100MillisecondsOfTheDeadline) {
  const auto measure = [&] {
    WarmUp();
    const absl::Time deadline = absl::Now() + kDeadline;
    std::thread client([&] {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(deadline));
      pb::EchoResponse response;
      EXPECT_EQ(server_.stub->Echo(&context, {}, &response).error_code(),
                grpc::StatusCode::DEADLINE_EXCEEDED);
    });
    EXPECT_TRUE(Eventually([&] { return IsSleeping(); }));
    EXPECT_TRUE(Eventually([&] { return !IsSleeping(); }));
    const absl::Duration taken = absl::Now() - deadline;
    client.join();
    return taken;
  };
  EXPECT_LT(BestOfFive(kLimit, measure), kLimit);
}

TEST_F(CancelledQuery, IsGoneWithin150MillisecondsOfTheDefaultDeadline) {
  server_.service.method_options.default_deadline = kDeadline;
  constexpr absl::Duration kLimitWithTheWay = absl::Milliseconds(150);
  const auto measure = [&] {
    WarmUp();
    const absl::Time start = absl::Now();
    std::thread client([&] {
      grpc::ClientContext context;
      pb::EchoResponse response;
      EXPECT_EQ(server_.stub->Echo(&context, {}, &response).error_code(),
                grpc::StatusCode::DEADLINE_EXCEEDED);
    });
    EXPECT_TRUE(Eventually([&] { return IsSleeping(); }));
    EXPECT_TRUE(Eventually([&] { return !IsSleeping(); }));
    const absl::Duration taken = absl::Now() - start - kDeadline;
    client.join();
    return taken;
  };
  EXPECT_LT(BestOfFive(kLimitWithTheWay, measure), kLimitWithTheWay);
}

}  // namespace
}  // namespace lockstep::rpc
