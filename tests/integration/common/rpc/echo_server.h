// A server with the real filters around one service whose behaviour each test gives.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "common/rpc/runner.h"
#include "common/rpc/server.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "lockstep/testing/v1/echo.grpc.pb.h"

namespace lockstep::rpc {

namespace pb = ::lockstep::testing::v1;

// Far longer than anything takes, so that only a hanging test runs into it.
inline constexpr absl::Duration kPatience = absl::Seconds(10);

// Polls `condition` until it holds; false after kPatience.
inline bool Eventually(const std::function<bool()>& condition, absl::Duration limit = kPatience) {
  const absl::Time end = absl::Now() + limit;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

// The shortest of up to five measurements; stops at the first that is below `limit`. A machine that
// is busy with something else spoils one or two, code that is too slow spoils all.
inline absl::Duration BestOfFive(absl::Duration limit,
                                 const std::function<absl::Duration()>& measure) {
  absl::Duration best = absl::InfiniteDuration();
  for (int i = 0; i < 5 && best >= limit; ++i) best = std::min(best, measure());
  return best;
}

class EchoService final : public pb::EchoService::CallbackService {
 public:
  explicit EchoService(Runner& runner) : runner_(runner) {}

  std::function<absl::StatusOr<pb::EchoResponse>(const Call&, const pb::EchoRequest&)> echo;
  std::function<absl::Status(const Call&, const pb::RepeatRequest&,
                             StreamWriter<pb::RepeatResponse>&)>
      repeat;
  std::function<absl::StatusOr<pb::CollectResponse>(const Call&, StreamReader<pb::CollectRequest>&)>
      collect;
  std::function<absl::StatusOr<EventSource<pb::WatchResponse>>(const Call&, const pb::WatchRequest&,
                                                               Wakeup)>
      watch;
  MethodOptions method_options;

  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context,
                                 const pb::EchoRequest* request,
                                 pb::EchoResponse* response) override {
    return runner_.Unary(context, request, response, echo, method_options);
  }
  grpc::ServerWriteReactor<pb::RepeatResponse>* Repeat(grpc::CallbackServerContext* context,
                                                       const pb::RepeatRequest* request) override {
    return runner_.ServerStream<pb::RepeatResponse>(context, request, repeat, method_options);
  }
  grpc::ServerReadReactor<pb::CollectRequest>* Collect(grpc::CallbackServerContext* context,
                                                       pb::CollectResponse* response) override {
    return runner_.ClientStream<pb::CollectRequest>(context, response, collect, method_options);
  }
  grpc::ServerWriteReactor<pb::WatchResponse>* Watch(grpc::CallbackServerContext* context,
                                                     const pb::WatchRequest* request) override {
    return runner_.Events<pb::WatchResponse>(context, request, watch, method_options);
  }

 private:
  Runner& runner_;
};

inline RunnerOptions SmallRunner() {
  RunnerOptions options;
  options.service = "echo";
  options.workers = 2;
  options.queue_capacity = 2;
  options.stream_workers = 2;
  options.stream_queue_capacity = 2;
  return options;
}

inline ServerOptions FastServer() {
  ServerOptions options;
  options.drain_delay = absl::ZeroDuration();
  options.grace = absl::Seconds(5);
  options.probe_interval = absl::Milliseconds(10);
  return options;
}

struct EchoServer {
  explicit EchoServer(
      RunnerOptions runner_options = SmallRunner(), ServerOptions server_options = FastServer(),
      ReadinessMonitor::Probe probe = [] { return absl::OkStatus(); })
      : runner(std::move(runner_options)), service(runner) {
    service.echo = [](const Call&, const pb::EchoRequest& request) {
      pb::EchoResponse response;
      response.set_text(request.text());
      return response;
    };
    auto started = Server::Start(std::move(server_options), {&service}, runner, std::move(probe));
    if (!started.ok()) {
      ADD_FAILURE() << started.status();
      std::abort();
    }
    server = *std::move(started);
    channel = MakeChannel(server->address(), {.retries = false});
    stub = pb::EchoService::NewStub(channel);
  }

  // One unary call; the status as the client sees it.
  absl::Status Echo(const std::string& text, absl::Duration timeout = kPatience) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    pb::EchoRequest request;
    request.set_text(text);
    pb::EchoResponse response;
    return FromGrpc(stub->Echo(&context, request, &response));
  }

  Runner runner;
  EchoService service;
  std::unique_ptr<Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<pb::EchoService::Stub> stub;
};

}  // namespace lockstep::rpc
