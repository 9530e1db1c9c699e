#include "common/maintenance/maintenance.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "common/log/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::maintenance {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What one round writes to the log.
std::string LogOf(const Maintenance& maintenance, const Context& context) {
  log::Init("test", log::Level::kInfo);
  ::testing::internal::CaptureStderr();
  maintenance.RunOnce(context);
  return ::testing::internal::GetCapturedStderr();
}

Context Soon() { return Context::WithTimeout(absl::Seconds(30)); }

TEST(Maintenance, AFailureIsLoggedOnceAndStopsNoOtherTask) {
  int rounds = 0;
  const Maintenance maintenance(
      {{.name = "broken", .run = [](const Context&) { return absl::InternalError("no disk"); }},
       {.name = "idle", .run = [](const Context&) { return 0; }},
       {.name = "busy", .run = [&](const Context&) { return ++rounds; }}});

  const std::string lines = LogOf(maintenance, Soon());

  EXPECT_EQ(rounds, 1);
  EXPECT_THAT(lines, HasSubstr(R"("event":"maintenance_failed","task":"broken")"));
  EXPECT_THAT(lines, HasSubstr("no disk"));
  EXPECT_THAT(lines, HasSubstr(R"("event":"maintenance_done","task":"busy","count":1)"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
}

TEST(Maintenance, BeingCancelledIsNoFailure) {
  const Context context = Soon();
  int later = 0;
  const Maintenance maintenance(
      {{.name = "interrupted",
        .run =
            [&](const Context& given) {
              given.Cancel();
              return given.Check();
            }},
       {.name = "later", .run = [&](const Context&) { return ++later; }}});

  EXPECT_THAT(LogOf(maintenance, context), IsEmpty());
  EXPECT_EQ(later, 0);
}

TEST(Maintenance, RoundsFollowEachOther) {
  absl::BlockingCounter three_rounds(3);
  int rounds = 0;
  Maintenance maintenance({{.name = "count",
                            .run =
                                [&](const Context&) {
                                  if (++rounds <= 3) three_rounds.DecrementCount();
                                  return 0;
                                }}},
                          absl::Milliseconds(1));
  maintenance.Start();

  three_rounds.Wait();
  maintenance.Stop();

  const int at_stop = rounds;
  maintenance.Stop();
  EXPECT_EQ(rounds, at_stop);
}

TEST(Maintenance, StopInterruptsATask) {
  absl::Notification running;
  Maintenance maintenance({{.name = "long",
                            .run =
                                [&](const Context& context) {
                                  absl::Notification cancelled;
                                  const auto registration =
                                      context.OnCancel([&] { cancelled.Notify(); });
                                  running.Notify();
                                  cancelled.WaitForNotification();
                                  return context.Check();
                                }}},
                          absl::Milliseconds(1));
  maintenance.Start();
  running.WaitForNotification();

  maintenance.Stop();  // would never return

  EXPECT_TRUE(running.HasBeenNotified());
}

TEST(Maintenance, StopDoesNotWaitForTheInterval) {
  Maintenance maintenance({}, absl::Hours(1));
  maintenance.Start();

  maintenance.Stop();  // the test's own time limit is the check
}

}  // namespace
}  // namespace lockstep::maintenance
