// A call that nobody waits for any more leaves PostgreSQL at once.
#include <thread>

#include "common/pg/pool.h"
#include "tests/integration/common/rpc/echo_server.h"
#include "tests/support/test_database.h"

namespace lockstep::rpc {
namespace {

class CancelledQuery : public ::testing::Test {
 protected:
  CancelledQuery() : database_(testing::TestDatabase::Create()), pool_(Options()) {
    pg::ConnectionOptions options;
    options.database_url = database_.url();
    options.application_name = "observer";
    auto observer = pg::Connection::Open(options);
    observer_ = *std::move(observer);
    server_.service.echo = [this](const Call& call,
                                  const pb::EchoRequest&) -> absl::StatusOr<pb::EchoResponse> {
      RETURN_IF_ERROR(pool_.Write(call.context(), [](pg::Tx& tx) -> absl::Status {
        return tx.Query("SELECT pg_sleep(60)").status();
      }));
      return pb::EchoResponse();
    };
  }

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
  grpc::ClientContext context;
  std::thread client([&] {
    pb::EchoResponse response;
    EXPECT_EQ(server_.stub->Echo(&context, {}, &response).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  ASSERT_TRUE(Eventually([&] { return IsSleeping(); }));

  const absl::Time start = absl::Now();
  context.TryCancel();
  EXPECT_TRUE(Eventually([&] { return !IsSleeping(); }));

  EXPECT_LT(absl::Now() - start, absl::Milliseconds(100));
  client.join();
}

TEST_F(CancelledQuery, IsGoneWithin100MillisecondsOfTheDeadline) {
  const absl::Time deadline = absl::Now() + absl::Milliseconds(500);
  std::thread client([&] {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    pb::EchoResponse response;
    EXPECT_EQ(server_.stub->Echo(&context, {}, &response).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  });
  ASSERT_TRUE(Eventually([&] { return IsSleeping(); }));

  EXPECT_TRUE(Eventually([&] { return !IsSleeping(); }));

  EXPECT_LT(absl::Now() - deadline, absl::Milliseconds(100));
  client.join();
}

TEST_F(CancelledQuery, IsGoneWithin100MillisecondsOfTheDefaultDeadline) {
  server_.service.method_options.default_deadline = absl::Milliseconds(300);
  const absl::Time start = absl::Now();
  std::thread client([&] {
    grpc::ClientContext context;
    pb::EchoResponse response;
    EXPECT_EQ(server_.stub->Echo(&context, {}, &response).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  });
  ASSERT_TRUE(Eventually([&] { return IsSleeping(); }));

  EXPECT_TRUE(Eventually([&] { return !IsSleeping(); }));

  EXPECT_LT(absl::Now() - start, absl::Milliseconds(450));
  client.join();
}

}  // namespace
}  // namespace lockstep::rpc
