#include "common/rpc/executor.h"

#include <atomic>
#include <set>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"

namespace lockstep::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

TEST(Executor, RunsEveryAcceptedTask) {
  std::atomic<int> ran = 0;
  int accepted = 0;
  {
    Executor executor(3, 1000);
    for (int i = 0; i < 500; ++i) accepted += executor.TryPost([&] { ++ran; }) ? 1 : 0;
  }

  EXPECT_EQ(accepted, 500);
  EXPECT_EQ(ran, 500);
}

TEST(Executor, RefusesWhenWorkersAreBusyAndTheQueueIsFull) {
  Executor executor(1, 2);
  absl::Notification started, go;
  ASSERT_TRUE(executor.TryPost([&] {
    started.Notify();
    go.WaitForNotification();
  }));
  ASSERT_TRUE(started.WaitForNotificationWithTimeout(kPatience));

  EXPECT_TRUE(executor.TryPost([] {}));
  EXPECT_TRUE(executor.TryPost([] {}));
  EXPECT_FALSE(executor.TryPost([] {}));
  EXPECT_EQ(executor.queued(), 2U);

  go.Notify();
}

TEST(Executor, UsesAllItsThreadsAtOnce) {
  Executor executor(4, 4);
  std::atomic<int> inside = 0;
  absl::Notification all;
  absl::Mutex mu;
  std::set<std::thread::id> threads;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(executor.TryPost([&] {
      {
        absl::MutexLock lock(&mu);
        threads.insert(std::this_thread::get_id());
      }
      if (++inside == 4) all.Notify();
      all.WaitForNotificationWithTimeout(kPatience);
    }));
  }
  executor.Stop();

  EXPECT_TRUE(all.HasBeenNotified());
  EXPECT_EQ(threads.size(), 4U);
}

TEST(Executor, RefusesAfterStop) {
  Executor executor(1, 1);
  executor.Stop();

  EXPECT_FALSE(executor.TryPost([] {}));
}

TEST(Executor, FinishesWhatWaitsWhenItStops) {
  std::atomic<int> ran = 0;
  Executor executor(1, 10);
  absl::Notification go;
  ASSERT_TRUE(executor.TryPost([&] { go.WaitForNotification(); }));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(executor.TryPost([&] { ++ran; }));
  go.Notify();
  executor.Stop();

  EXPECT_EQ(ran, 5);
}

}  // namespace
}  // namespace lockstep::rpc
