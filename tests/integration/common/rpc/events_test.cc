// Event streams: many watchers, no threads, nothing lost or repeated.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "tests/integration/common/rpc/echo_server.h"

namespace lockstep::rpc {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;

// A log of numbers that watchers follow.
class NumberLog {
 public:
  void Append(int count) {
    std::vector<Wakeup> watchers;
    {
      absl::MutexLock lock(&mu_);
      size_ += count;
      watchers = watchers_;
    }
    for (const Wakeup& watcher : watchers) watcher.Notify();
  }
  void Close() {
    {
      absl::MutexLock lock(&mu_);
      is_closed_ = true;
    }
    Append(0);
  }
  EventSource<pb::WatchResponse> Follow(int offset, Wakeup wakeup) {
    absl::MutexLock lock(&mu_);
    watchers_.push_back(std::move(wakeup));
    return [this, offset]() mutable -> absl::StatusOr<EventBatch<pb::WatchResponse>> {
      absl::MutexLock pull_lock(&mu_);
      EventBatch<pb::WatchResponse> batch;
      while (offset < size_ && batch.messages.size() < 10) {
        batch.messages.emplace_back().set_index(offset++);
      }
      batch.has_more = offset < size_;
      batch.is_end = is_closed_ && !batch.has_more;
      return batch;
    };
  }

 private:
  absl::Mutex mu_;
  int size_ = 0;
  bool is_closed_ = false;
  std::vector<Wakeup> watchers_;
};

void Follow(EchoServer& server, NumberLog& log) {
  server.service.watch = [&log](const Call&, const pb::WatchRequest& request,
                                Wakeup wakeup) -> absl::StatusOr<EventSource<pb::WatchResponse>> {
    return log.Follow(request.offset(), std::move(wakeup));
  };
}

int ThreadCount() {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  int threads = 0;
  while (std::fgets(line, sizeof(line), status) != nullptr) {
    if (std::sscanf(line, "Threads: %d", &threads) == 1) break;
  }
  std::fclose(status);
  return threads;
}

TEST(Events, DeliversFromTheOffsetWithoutGapOrRepeat) {
  EchoServer server;
  NumberLog log;
  Follow(server, log);
  log.Append(25);
  grpc::ClientContext context;
  pb::WatchRequest request;
  request.set_offset(5);
  const auto reader = server.stub->Watch(&context, request);
  std::thread producer([&] {
    for (int i = 0; i < 500; ++i) log.Append(1 + i % 3);
    log.Close();
  });
  pb::WatchResponse response;
  int next = 5;
  while (reader->Read(&response)) ASSERT_EQ(response.index(), next++);
  producer.join();

  EXPECT_OK(FromGrpc(reader->Finish()));
  EXPECT_EQ(next, 25 + 999);
}

TEST(Events, TwoHundredWatchersAddNoThread) {
  EchoServer server;
  NumberLog log;
  Follow(server, log);
  ASSERT_OK(server.Echo("warm up"));
  // Clients on the callback API, so that this process's own side needs no threads either.
  struct Watcher final : grpc::ClientReadReactor<pb::WatchResponse> {
    void OnReadDone(bool ok) override {
      if (!ok) return;
      seen = response.index() + 1;
      StartRead(&response);
    }
    void OnDone(const grpc::Status& status) override {
      outcome = status;
      done.Notify();
    }
    grpc::ClientContext context;
    pb::WatchRequest request;
    pb::WatchResponse response;
    std::atomic<int> seen = 0;
    grpc::Status outcome;
    absl::Notification done;
  };
  std::vector<std::unique_ptr<Watcher>> watchers;
  const auto start = [&] {
    auto& watcher = *watchers.emplace_back(std::make_unique<Watcher>());
    server.stub->async()->Watch(&watcher.context, &watcher.request, &watcher);
    watcher.StartRead(&watcher.response);
    watcher.StartCall();
  };
  const auto all_have_seen = [&](int count) {
    return std::ranges::all_of(watchers, [count](const auto& w) { return w->seen == count; });
  };
  start();
  log.Append(3);
  ASSERT_TRUE(Eventually([&] { return all_have_seen(3); }));
  const int threads_before = ThreadCount();

  // The queue holds two: later watchers come when the earlier ones have been opened.
  while (watchers.size() < 200) {
    start();
    ASSERT_TRUE(Eventually([&] { return all_have_seen(3); }));
  }
  log.Append(4);

  EXPECT_TRUE(Eventually([&] { return all_have_seen(7); }));
  EXPECT_LE(ThreadCount(), threads_before + 20);  // gRPC's own pool grows a little with the load.
  EXPECT_OK(server.Echo("still here"));
  log.Close();
  for (const auto& watcher : watchers) {
    ASSERT_TRUE(watcher->done.WaitForNotificationWithTimeout(kPatience));
    EXPECT_TRUE(watcher->outcome.ok()) << watcher->outcome.error_message();
  }
}

TEST(Events, EndsWithTheSourcesError) {
  EchoServer server;
  server.service.watch = [](const Call&, const pb::WatchRequest& request,
                            Wakeup) -> absl::StatusOr<EventSource<pb::WatchResponse>> {
    if (request.offset() < 0) {
      return Error(absl::StatusCode::kNotFound, "RUN_NOT_FOUND", "no such run");
    }
    return EventSource<pb::WatchResponse>([]() -> absl::StatusOr<EventBatch<pb::WatchResponse>> {
      return Error(absl::StatusCode::kUnavailable, "DATABASE_UNREACHABLE", "gone");
    });
  };
  for (const auto& [offset, reason] :
       {std::pair(-1, "RUN_NOT_FOUND"), std::pair(0, "DATABASE_UNREACHABLE")}) {
    grpc::ClientContext context;
    pb::WatchRequest request;
    request.set_offset(offset);
    const auto reader = server.stub->Watch(&context, request);
    pb::WatchResponse response;
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_EQ(ReasonOf(FromGrpc(reader->Finish())), reason);
  }
}

TEST(Events, ForgetsAWatcherThatWentAway) {
  EchoServer server;
  auto alive = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = alive;
  server.service.watch = [&](const Call&, const pb::WatchRequest&, Wakeup) {
    return absl::StatusOr<EventSource<pb::WatchResponse>>(
        [kept = std::exchange(alive, nullptr)]() -> absl::StatusOr<EventBatch<pb::WatchResponse>> {
          EventBatch<pb::WatchResponse> batch;
          batch.messages.emplace_back();
          return batch;
        });
  };
  grpc::ClientContext context;
  const auto reader = server.stub->Watch(&context, {});
  pb::WatchResponse response;
  ASSERT_TRUE(reader->Read(&response));
  ASSERT_FALSE(watched.expired());

  context.TryCancel();

  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return watched.expired(); }));
}

TEST(Events, ShutdownSendsWatchersElsewhere) {
  EchoServer server;
  NumberLog log;
  Follow(server, log);
  log.Append(1);
  grpc::ClientContext context;
  const auto reader = server.stub->Watch(&context, {});
  pb::WatchResponse response;
  ASSERT_TRUE(reader->Read(&response));

  const absl::Time start = absl::Now();
  server.server->Shutdown();

  EXPECT_LT(absl::Now() - start, absl::Seconds(2));
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_THAT(FromGrpc(reader->Finish()),
              StatusIs(absl::StatusCode::kUnavailable, Reason("SERVER_STOPPING")));
}

}  // namespace
}  // namespace lockstep::rpc
