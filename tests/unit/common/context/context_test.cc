#include "common/context/context.h"

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

TEST(Context, IsFineUntilItsDeadline) {
  const Context context = Context::WithTimeout(absl::Hours(1));

  EXPECT_OK(context.Check());
  EXPECT_FALSE(context.is_cancelled());
  EXPECT_GT(context.remaining(), absl::Minutes(59));
  EXPECT_LE(context.remaining(), absl::Hours(1));
}

TEST(Context, ReportsAPassedDeadline) {
  const Context context = Context::WithDeadline(absl::Now() - absl::Seconds(1));

  EXPECT_THAT(context.Check(),
              StatusIs(absl::StatusCode::kDeadlineExceeded, Reason("DEADLINE_PASSED")));
  EXPECT_EQ(context.remaining(), absl::ZeroDuration());
}

TEST(Context, MayLastForEver) {
  const Context context = Context::WithDeadline(absl::InfiniteFuture());

  EXPECT_OK(context.Check());
  EXPECT_EQ(context.remaining(), absl::InfiniteDuration());
}

TEST(Context, CopiesShareCancellation) {
  const Context context = Context::WithTimeout(absl::Hours(1));
  const Context copy = context;  // NOLINT(performance-unnecessary-copy-initialization)

  copy.Cancel();

  EXPECT_TRUE(context.is_cancelled());
  EXPECT_THAT(context.Check(), StatusIs(absl::StatusCode::kCancelled, Reason("CALL_CANCELLED")));
}

TEST(Context, TellsEveryoneWhoAskedOnce) {
  const Context context = Context::WithTimeout(absl::Hours(1));
  int first = 0;
  int second = 0;
  const auto one = context.OnCancel([&] { ++first; });
  const auto two = context.OnCancel([&] { ++second; });

  context.Cancel();
  context.Cancel();

  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
}

TEST(Context, TellsLateComersAtOnce) {
  const Context context = Context::WithTimeout(absl::Hours(1));
  context.Cancel();
  int calls = 0;

  const auto registration = context.OnCancel([&] { ++calls; });

  EXPECT_EQ(calls, 1);
}

TEST(Context, ForgetsRegistrationsThatEnded) {
  const Context context = Context::WithTimeout(absl::Hours(1));
  int calls = 0;
  {
    const auto registration = context.OnCancel([&] { ++calls; });
  }
  auto replaced = context.OnCancel([&] { calls += 10; });
  replaced = Context::Registration();
  auto moved = context.OnCancel([&] { calls += 100; });
  const Context::Registration kept = std::move(moved);

  context.Cancel();

  EXPECT_EQ(calls, 100);
}

TEST(Context, TheEndOfARegistrationWaitsForItsCallback) {
  const Context context = Context::WithTimeout(absl::Hours(1));
  absl::Notification is_running;
  std::atomic<bool> is_done = false;
  std::atomic<bool> may_end = false;
  auto registration = context.OnCancel([&] {
    is_running.Notify();
    while (!may_end) std::this_thread::yield();
    is_done = true;
  });
  std::thread canceller([&] { context.Cancel(); });
  is_running.WaitForNotification();

  may_end = true;
  registration = Context::Registration();

  EXPECT_TRUE(is_done);
  canceller.join();
}

TEST(Context, SurvivesRegistrationsThatRaceWithCancel) {
  for (int round = 0; round < 200; ++round) {
    const Context context = Context::WithTimeout(absl::Hours(1));
    std::atomic<int> calls = 0;
    std::vector<Context::Registration> registrations(3);
    std::vector<std::thread> threads;
    for (auto& registration : registrations) {
      threads.emplace_back([&] { registration = context.OnCancel([&] { ++calls; }); });
    }
    threads.emplace_back([&] { context.Cancel(); });
    for (std::thread& thread : threads) thread.join();

    EXPECT_EQ(calls, 3);
  }
}

}  // namespace
}  // namespace lockstep
