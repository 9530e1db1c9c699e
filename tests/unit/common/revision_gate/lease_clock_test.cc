#include "common/revision_gate/lease_clock.h"

#include "gtest/gtest.h"

namespace lockstep::revision_gate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Monotonic::time_point kStart(seconds(1'000));

TEST(LeaseSchedule, OfTheDefaultPeriod) {
  const LeaseSchedule schedule = ScheduleOf(seconds(15));

  EXPECT_EQ(schedule.stop, seconds(10));
  EXPECT_EQ(schedule.close, seconds(13));
  EXPECT_EQ(schedule.all_closed, seconds(14));
}

TEST(LeaseSchedule, EndsBeforeTheLeaseInThisOrder) {
  for (const int ttl_ms : {1'000, 2'000, 5'000, 15'000, 60'000, 300'000}) {
    const LeaseSchedule schedule = ScheduleOf(milliseconds(ttl_ms));
    EXPECT_GE(schedule.stop, milliseconds(ttl_ms) / 2) << ttl_ms;
    EXPECT_LT(schedule.stop, schedule.close) << ttl_ms;
    EXPECT_LT(schedule.close, schedule.all_closed) << ttl_ms;
    EXPECT_LE(schedule.all_closed, milliseconds(ttl_ms) - milliseconds(100)) << ttl_ms;
  }
}

TEST(LeaseClock, IsClosedBeforeTheFirstLease) {
  const LeaseClock lease(seconds(15));

  EXPECT_EQ(lease.At(kStart), LeasePhase::kClosed);
  EXPECT_FALSE(lease.NextChange(kStart).has_value());
  EXPECT_FALSE(lease.is_granted());
}

TEST(LeaseClock, StopsThenClosesUnlessItIsRenewed) {
  LeaseClock lease(seconds(15));
  lease.Renew(kStart);

  EXPECT_EQ(lease.At(kStart), LeasePhase::kServing);
  EXPECT_EQ(lease.NextChange(kStart), kStart + seconds(10));
  EXPECT_EQ(lease.At(kStart + milliseconds(9'999)), LeasePhase::kServing);
  EXPECT_EQ(lease.At(kStart + seconds(10)), LeasePhase::kStopping);
  EXPECT_EQ(lease.NextChange(kStart + seconds(10)), kStart + seconds(13));
  EXPECT_EQ(lease.At(kStart + seconds(13)), LeasePhase::kClosed);
  EXPECT_FALSE(lease.NextChange(kStart + seconds(13)).has_value());
  EXPECT_EQ(lease.AllClosedBy(), kStart + seconds(14));
}

TEST(LeaseClock, ARenewalStartsOver) {
  LeaseClock lease(seconds(15));
  lease.Renew(kStart);
  lease.Renew(kStart + seconds(14));

  EXPECT_EQ(lease.At(kStart + seconds(14)), LeasePhase::kServing);
  EXPECT_EQ(lease.At(kStart + seconds(24)), LeasePhase::kStopping);
}

// The answer to an earlier request that comes late must not shorten what a later one has given.
TEST(LeaseClock, AnOlderRequestChangesNothing) {
  LeaseClock lease(seconds(15));
  lease.Renew(kStart + seconds(5));
  lease.Renew(kStart);

  EXPECT_EQ(lease.At(kStart + seconds(12)), LeasePhase::kServing);
  EXPECT_EQ(lease.AllClosedBy(), kStart + seconds(19));
}

// A process that slept (stopped, or a laptop that was closed) finds its lease ended, not renewed.
TEST(LeaseClock, KnowsHowLateItIs) {
  LeaseClock lease(seconds(15));
  lease.Renew(kStart);

  EXPECT_EQ(lease.At(kStart + seconds(3'600)), LeasePhase::kClosed);
}

}  // namespace
}  // namespace lockstep::revision_gate
