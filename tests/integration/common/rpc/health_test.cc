// Health: names, watching, and what it says when the database comes and goes.
#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "common/pg/pool.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/integration/common/rpc/echo_server.h"
#include "tests/support/test_database.h"

namespace lockstep::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr char kEcho[] = "lockstep.testing.v1.EchoService";

class HealthClient {
 public:
  explicit HealthClient(const EchoServer& server)
      : stub_(grpc::health::v1::Health::NewStub(server.channel)) {}

  // "SERVING", "NOT_SERVING", or the name of the error's code.
  std::string Check(const std::string& name, absl::Duration timeout = kPatience) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    HealthCheckRequest request;
    request.set_service(name);
    HealthCheckResponse response;
    const absl::Status status = FromGrpc(stub_->Check(&context, request, &response));
    if (!status.ok()) return absl::StatusCodeToString(status.code());
    return HealthCheckResponse::ServingStatus_Name(response.status());
  }
  grpc::health::v1::Health::Stub& stub() { return *stub_; }

 private:
  std::unique_ptr<grpc::health::v1::Health::Stub> stub_;
};

TEST(Health, KnowsItsNames) {
  EchoServer server;
  HealthClient health(server);
  ASSERT_TRUE(Eventually([&] { return health.Check("") == "SERVING"; }));

  for (const char* name :
       {"", "liveness", "readiness", kEcho, "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}) {
    EXPECT_EQ(health.Check(name), "SERVING") << name;
  }
  EXPECT_EQ(health.Check("lockstep.testing.v1.NoSuchService"), "NOT_FOUND");
}

TEST(Health, FollowsTheProbeAndLeavesLivenessAlone) {
  std::atomic<bool> is_ready = false;
  EchoServer server(SmallRunner(), FastServer(), [&] {
    return is_ready ? absl::OkStatus() : absl::UnavailableError("no database");
  });
  HealthClient health(server);

  EXPECT_EQ(health.Check(""), "NOT_SERVING");
  EXPECT_EQ(health.Check(kEcho), "NOT_SERVING");
  EXPECT_EQ(health.Check("liveness"), "SERVING");
  is_ready = true;
  EXPECT_TRUE(Eventually([&] { return health.Check(kEcho) == "SERVING"; }));
  is_ready = false;
  EXPECT_TRUE(Eventually([&] { return health.Check("readiness") == "NOT_SERVING"; }));
  EXPECT_EQ(health.Check("liveness"), "SERVING");
}

TEST(Health, WatchSendsTheStateAndEachChange) {
  std::atomic<bool> is_ready = true;
  EchoServer server(SmallRunner(), FastServer(), [&] {
    return is_ready ? absl::OkStatus() : absl::UnavailableError("no database");
  });
  HealthClient health(server);
  ASSERT_TRUE(Eventually([&] { return health.Check("") == "SERVING"; }));
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service(kEcho);
  const auto watch = health.stub().Watch(&context, request);
  HealthCheckResponse response;

  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  is_ready = false;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  is_ready = true;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);

  server.server->Shutdown();
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(Health, WatchOfAnUnknownNameStaysOpen) {
  EchoServer server;
  HealthClient health(server);
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service("no.such.Service");
  const auto watch = health.stub().Watch(&context, request);
  HealthCheckResponse response;

  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  context.TryCancel();
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(Health, AnswersWithin50MillisecondsWhileEveryWorkerSleepsInPostgres) {
  const auto database = testing::TestDatabase::Create();
  pg::PoolOptions pool_options;
  pool_options.database_url = database.url();
  pool_options.size = 2;
  pg::Pool pool(pool_options);
  RunnerOptions options = SmallRunner();
  options.queue_capacity = 100;
  EchoServer server(options, FastServer(), [&] { return pool.Ping(absl::Seconds(1)); });
  server.service.echo = [&](const Call& call,
                            const pb::EchoRequest&) -> absl::StatusOr<pb::EchoResponse> {
    RETURN_IF_ERROR(pool.Read(call.context(), [](pg::Tx& tx) -> absl::Status {
      return tx.Query("SELECT pg_sleep(60)").status();
    }));
    return pb::EchoResponse();
  };
  HealthClient health(server);
  ASSERT_TRUE(Eventually([&] { return health.Check("") == "SERVING"; }));
  // They sleep until everything is measured.
  std::array<grpc::ClientContext, 10> contexts;
  std::vector<std::thread> clients;
  for (grpc::ClientContext& context : contexts) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    clients.emplace_back([&] {
      pb::EchoResponse response;
      (void)server.stub->Echo(&context, {}, &response);
    });
  }
  EXPECT_TRUE(Eventually([&] {
    return database.QueryText(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
               " AND datname = current_database()") == "2";
  }));

  int quick = 0;
  absl::Duration slowest;
  for (int i = 0; i < 50; ++i) {
    const absl::Time start = absl::Now();
    EXPECT_EQ(health.Check(i % 2 == 0 ? "liveness" : "readiness", absl::Seconds(5)), "SERVING");
    const absl::Duration taken = absl::Now() - start;
    if (taken < absl::Milliseconds(50)) ++quick;
    slowest = std::max(slowest, taken);
  }

  // A few may be held up by whatever else the machine does, none by the workers.
  EXPECT_GE(quick, 45);
  EXPECT_LT(slowest, absl::Seconds(1));
  for (grpc::ClientContext& context : contexts) context.TryCancel();
  for (std::thread& client : clients) client.join();
}

TEST(Health, NoticesTheLossAndTheReturnOfTheDatabaseWithinTwoSeconds) {
  auto database = testing::TestDatabase::Create();
  pg::PoolOptions pool_options;
  pool_options.database_url = database.url();
  pool_options.size = 2;
  pg::Pool pool(pool_options);
  ServerOptions server_options = FastServer();
  server_options.probe_interval = ServerOptions().probe_interval;
  EchoServer server(SmallRunner(), server_options, [&] { return pool.Ping(absl::Seconds(1)); });
  HealthClient health(server);
  ASSERT_TRUE(Eventually([&] { return health.Check("") == "SERVING"; }));

  pg::ConnectionOptions admin_options;
  admin_options.database_url = testing::ClusterUrl();
  ASSERT_OK_AND_ASSIGN(auto admin, pg::Connection::Open(admin_options));
  const std::string name = pg::QuoteIdentifier(database.name());
  ASSERT_OK(admin->Script("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false").status());
  ASSERT_OK(admin
                ->Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                        database.name())
                .status());
  EXPECT_TRUE(Eventually([&] { return health.Check("") == "NOT_SERVING"; }, absl::Seconds(2)));
  EXPECT_EQ(health.Check("liveness"), "SERVING");

  ASSERT_OK(admin->Script("ALTER DATABASE " + name + " ALLOW_CONNECTIONS true").status());
  EXPECT_TRUE(Eventually([&] { return health.Check("") == "SERVING"; }, absl::Seconds(2)));
}

}  // namespace
}  // namespace lockstep::rpc
