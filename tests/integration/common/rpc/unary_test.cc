// Unary calls through the runner: the chain from request id to access log.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "tests/integration/common/rpc/echo_server.h"

namespace lockstep::rpc {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;

// Holds every worker of `server` until it ends.
class BusyWorkers {
 public:
  BusyWorkers(EchoServer& server, int calls) {
    server.service.echo = [this](const Call&, const pb::EchoRequest&) {
      ++running_;
      go_.WaitForNotificationWithTimeout(kPatience);
      return pb::EchoResponse();
    };
    for (int i = 0; i < calls; ++i) {
      threads_.emplace_back([&server, this] {
        if (server.Echo("held").ok()) ++succeeded_;
      });
    }
  }
  ~BusyWorkers() { Release(); }
  void Release() {
    if (!go_.HasBeenNotified()) go_.Notify();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  int running() const { return running_; }
  int succeeded() const { return succeeded_; }

 private:
  std::atomic<int> running_ = 0;
  std::atomic<int> succeeded_ = 0;
  absl::Notification go_;
  std::vector<std::thread> threads_;
};

TEST(Unary, AnswersWithWhatTheHandlerReturns) {
  EchoServer server;
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "client-1");
  pb::EchoRequest request;
  request.set_text("hello");
  pb::EchoResponse response;

  ASSERT_OK(FromGrpc(server.stub->Echo(&context, request, &response)));

  EXPECT_EQ(response.text(), "hello");
  const auto& metadata = context.GetServerInitialMetadata();
  ASSERT_EQ(metadata.count("x-request-id"), 1U);
  EXPECT_EQ(metadata.find("x-request-id")->second, "client-1");
}

TEST(Unary, ReplacesARequestIdThatDoesNotBelongInALog) {
  EchoServer server;
  std::string seen;
  server.service.echo = [&](const Call& call, const pb::EchoRequest&) {
    seen = call.request_id();
    return pb::EchoResponse();
  };
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "a b\"c");
  pb::EchoResponse response;

  ASSERT_OK(FromGrpc(server.stub->Echo(&context, {}, &response)));

  EXPECT_EQ(seen.size(), 36U);
}

TEST(Unary, TellsTheHandlerItsMethodAndDeadline) {
  EchoServer server;
  std::string method;
  absl::Duration left_default, left_own;
  server.service.echo = [&](const Call& call, const pb::EchoRequest& request) {
    method = call.method();
    (request.text() == "own" ? left_own : left_default) = call.context().remaining();
    return pb::EchoResponse();
  };

  ASSERT_OK(server.Echo("own", absl::Seconds(7)));
  grpc::ClientContext context;
  pb::EchoResponse response;
  ASSERT_OK(FromGrpc(server.stub->Echo(&context, {}, &response)));

  EXPECT_EQ(method, "lockstep.testing.v1.EchoService/Echo");
  // gRPC rounds what is left up on its way.
  EXPECT_LE(left_own, absl::Seconds(7.1));
  EXPECT_GT(left_own, absl::Seconds(5));
  EXPECT_LE(left_default, absl::Seconds(30));
  EXPECT_GT(left_default, absl::Seconds(28));
}

TEST(Unary, RefusesABadRequestBeforeTheHandler) {
  EchoServer server;
  bool was_called = false;
  server.service.echo = [&](const Call&, const pb::EchoRequest&) {
    was_called = true;
    return pb::EchoResponse();
  };

  const absl::Status status = server.Echo(std::string("a\0b", 3));

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, Reason("TEXT_HAS_NUL")));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasField("text")));
  EXPECT_FALSE(was_called);
}

TEST(Unary, SendsTheHandlersErrorWithItsDomain) {
  EchoServer server;
  server.service.echo = [&](const Call&,
                            const pb::EchoRequest&) -> absl::StatusOr<pb::EchoResponse> {
    return Error(absl::StatusCode::kFailedPrecondition, "ORDER_STATUS_FINAL", "final");
  };

  grpc::ClientContext context;
  pb::EchoResponse response;
  const grpc::Status raw = server.stub->Echo(&context, {}, &response);

  EXPECT_THAT(FromGrpc(raw),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ORDER_STATUS_FINAL")));
  EXPECT_NE(raw.error_details().find("echo.lockstep"), std::string::npos);
}

TEST(Unary, TurnsAnExceptionIntoInternalAndKeepsItsTextInside) {
  EchoServer server;
  server.service.echo = [](const Call&,
                           const pb::EchoRequest& request) -> absl::StatusOr<pb::EchoResponse> {
    if (request.text() == "int") throw 7;  // NOLINT: anything can be thrown.
    throw std::runtime_error("secret");
  };

  for (const char* text : {"exception", "int"}) {
    const absl::Status status = server.Echo(text);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, Reason("INVARIANT_BROKEN")));
    EXPECT_EQ(MessageOf(status).find("secret"), std::string::npos);
  }
}

TEST(Unary, RefusesAtOnceWhenTheQueueIsFull) {
  EchoServer server;  // 2 workers, 2 places
  BusyWorkers busy(server, 4);
  ASSERT_TRUE(Eventually([&] { return busy.running() == 2; }));

  // The held calls that wait arrive in their own time: ask until a refusal shows that the queue is
  // full.
  absl::Status status;
  ASSERT_TRUE(Eventually([&] {
    status = server.Echo("x", absl::Milliseconds(300));
    return absl::IsResourceExhausted(status);
  }));
  grpc::Status raw;
  const auto refusal = [&] {
    const absl::Time start = absl::Now();
    grpc::ClientContext context;
    pb::EchoResponse response;
    raw = server.stub->Echo(&context, {}, &response);
    return absl::Now() - start;
  };

  EXPECT_LT(BestOfFive(absl::Milliseconds(100), refusal), absl::Milliseconds(100));
  EXPECT_THAT(FromGrpc(raw), StatusIs(absl::StatusCode::kResourceExhausted, Reason("QUEUE_FULL")));
  EXPECT_NE(raw.error_details().find("google.rpc.RetryInfo"), std::string::npos);
}

// Clients may repeat UNAVAILABLE elsewhere at once.
TEST(Unary, SaysThatItStopsWhenItsWorkersAreGone) {
  EchoServer server;
  server.runner.Stop();

  EXPECT_THAT(server.Echo("x"),
              StatusIs(absl::StatusCode::kUnavailable, Reason("SERVER_STOPPING")));
}

TEST(Unary, DoesNotRunACallThatWasCancelledWhileItWaited) {
  EchoServer server;
  std::atomic<bool> has_run = false;
  absl::Notification go;
  std::atomic<int> running = 0;
  server.service.echo = [&](const Call&, const pb::EchoRequest& request) {
    if (request.text() == "waits") has_run = true;
    if (request.text() == "holds") {
      ++running;
      go.WaitForNotificationWithTimeout(kPatience);
    }
    return pb::EchoResponse();
  };
  std::thread first([&] { (void)server.Echo("holds"); });
  std::thread second([&] { (void)server.Echo("holds"); });
  ASSERT_TRUE(Eventually([&] { return running == 2; }));

  const absl::Time deadline = absl::Now() + absl::Milliseconds(50);
  EXPECT_THAT(server.Echo("waits", absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  // The server sees the deadline a little later than the client; a free worker must not be quicker.
  absl::SleepFor(deadline + absl::Milliseconds(200) - absl::Now());
  go.Notify();
  first.join();
  second.join();

  EXPECT_OK(server.Echo("after"));  // Behind the dropped call in the queue.
  EXPECT_FALSE(has_run);
}

// A handler that waits for the cancellation of its context. Shared with the server, whose handler
// may end after the client's call.
struct Waiting {
  absl::Notification started;
  absl::Notification ended;
  absl::Time cancelled_at;  // once it has ended

  absl::StatusOr<pb::EchoResponse> Run(const Call& call) {
    absl::Notification cancelled;
    started.Notify();
    {
      const auto registration = call.context().OnCancel([&] { cancelled.Notify(); });
      EXPECT_TRUE(cancelled.WaitForNotificationWithTimeout(kPatience));
    }
    cancelled_at = absl::Now();
    ended.Notify();
    return call.context().Check();
  }
};

std::shared_ptr<Waiting> LetHandlerWait(EchoServer& server) {
  const auto waiting = std::make_shared<Waiting>();
  server.service.echo = [waiting](const Call& call, const pb::EchoRequest&) {
    return waiting->Run(call);
  };
  return waiting;
}

TEST(Unary, CancelsTheContextWhenTheClientGivesUp) {
  EchoServer server;
  const auto measure = [&] {
    const auto waiting = LetHandlerWait(server);
    grpc::ClientContext context;
    std::thread client([&] {
      pb::EchoResponse response;
      EXPECT_EQ(server.stub->Echo(&context, {}, &response).error_code(),
                grpc::StatusCode::CANCELLED);
    });
    EXPECT_TRUE(waiting->started.WaitForNotificationWithTimeout(kPatience));

    const absl::Time start = absl::Now();
    context.TryCancel();

    EXPECT_TRUE(waiting->ended.WaitForNotificationWithTimeout(kPatience));
    client.join();
    return waiting->cancelled_at - start;
  };
  EXPECT_LT(BestOfFive(absl::Milliseconds(100), measure), absl::Milliseconds(100));
}

// How long after the beginning of the call its context is cancelled; infinite when the machine was
// too busy to start the handler before.
absl::Duration TimeUntilCancelled(EchoServer& server, grpc::ClientContext& context,
                                  absl::Status& outcome) {
  const auto waiting = LetHandlerWait(server);
  const absl::Time start = absl::Now();
  pb::EchoResponse response;
  outcome = FromGrpc(server.stub->Echo(&context, {}, &response));
  if (!waiting->started.HasBeenNotified()) return absl::InfiniteDuration();
  EXPECT_TRUE(waiting->ended.WaitForNotificationWithTimeout(kPatience));
  return waiting->cancelled_at - start;
}

TEST(Unary, CancelsTheContextWhenTheClientsDeadlinePasses) {
  EchoServer server;
  ASSERT_OK(server.Echo("warm up"));
  const auto measure = [&] {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(200)));
    absl::Status outcome;
    const absl::Duration taken = TimeUntilCancelled(server, context, outcome);
    EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kDeadlineExceeded));
    return taken;
  };
  EXPECT_LT(BestOfFive(absl::Milliseconds(300), measure), absl::Milliseconds(300));
}

TEST(Unary, CancelsTheContextWhenTheMethodsDefaultDeadlinePasses) {
  EchoServer server;
  ASSERT_OK(server.Echo("warm up"));
  server.service.method_options.default_deadline = absl::Milliseconds(100);
  const auto measure = [&] {
    grpc::ClientContext context;
    absl::Status outcome;
    const absl::Duration taken = TimeUntilCancelled(server, context, outcome);
    EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kDeadlineExceeded, Reason("DEADLINE_PASSED")));
    return taken;
  };
  EXPECT_LT(BestOfFive(absl::Milliseconds(300), measure), absl::Milliseconds(300));
}

TEST(Unary, CutsADeadlineThatIsTooLong) {
  EchoServer server;
  ASSERT_OK(server.Echo("warm up"));
  server.service.method_options.max_deadline = absl::Milliseconds(100);
  const auto measure = [&] {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Hours(5)));
    absl::Status outcome;
    const absl::Duration taken = TimeUntilCancelled(server, context, outcome);
    EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kDeadlineExceeded, Reason("DEADLINE_PASSED")));
    return taken;
  };
  EXPECT_LT(BestOfFive(absl::Milliseconds(300), measure), absl::Milliseconds(300));
}

TEST(Unary, PassesDeadlineAndRequestIdOnToAnotherService) {
  EchoServer inner;
  std::string inner_id;
  absl::Duration inner_left;
  inner.service.echo = [&](const Call& call, const pb::EchoRequest&) {
    inner_id = call.request_id();
    inner_left = call.context().remaining();
    return pb::EchoResponse();
  };
  EchoServer outer;
  outer.service.echo = [&](const Call& call,
                           const pb::EchoRequest&) -> absl::StatusOr<pb::EchoResponse> {
    ClientCall peer(call, absl::Seconds(60));
    pb::EchoResponse response;
    RETURN_IF_ERROR(FromGrpc(inner.stub->Echo(peer.context(), {}, &response)));
    return response;
  };
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "trail-7");
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(3)));
  pb::EchoResponse response;

  ASSERT_OK(FromGrpc(outer.stub->Echo(&context, {}, &response)));

  EXPECT_EQ(inner_id, "trail-7");
  EXPECT_LE(inner_left, absl::Seconds(3.1));
}

TEST(Unary, PassesCancellationOnToAnotherService) {
  EchoServer inner;
  absl::Notification inner_started, inner_cancelled;
  inner.service.echo = [&](const Call& call, const pb::EchoRequest&) {
    const auto registration = call.context().OnCancel([&] { inner_cancelled.Notify(); });
    inner_started.Notify();
    inner_cancelled.WaitForNotificationWithTimeout(kPatience);
    return pb::EchoResponse();
  };
  EchoServer outer;
  outer.service.echo = [&](const Call& call,
                           const pb::EchoRequest&) -> absl::StatusOr<pb::EchoResponse> {
    ClientCall peer(call, absl::Seconds(60));
    pb::EchoResponse response;
    RETURN_IF_ERROR(FromGrpc(inner.stub->Echo(peer.context(), {}, &response)));
    return response;
  };
  grpc::ClientContext context;
  std::thread client([&] {
    pb::EchoResponse response;
    (void)outer.stub->Echo(&context, {}, &response);
  });
  ASSERT_TRUE(inner_started.WaitForNotificationWithTimeout(kPatience));

  context.TryCancel();

  EXPECT_TRUE(inner_cancelled.WaitForNotificationWithTimeout(kPatience));
  client.join();
}

TEST(Unary, ServesManyCallsAtTheSameTime) {
  RunnerOptions options = SmallRunner();
  options.queue_capacity = 1000;
  EchoServer server(options);
  std::atomic<int> succeeded = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) succeeded += server.Echo("x").ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(succeeded, 800);
}

}  // namespace
}  // namespace lockstep::rpc
