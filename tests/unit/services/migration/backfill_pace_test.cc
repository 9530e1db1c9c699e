// How fast a backfill goes, and what holds it.
#include <string>

#include "absl/time/clock.h"
#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/run/backfill/hold_monitor.h"
#include "services/migration/engine/run/backfill/pacer.h"

namespace lockstep::migration {
namespace {

using ::testing::Contains;
using ::testing::Key;

Signals Calm() { return {0, 0, 0, 0, 0, 0}; }

TEST(WhyHold, NamesTheFirstSignalAboveItsLimit) {
  const HoldLimits limits;
  EXPECT_EQ(WhyHold(Calm(), limits), "");
  Signals signals = Calm();
  signals.replica_lag_seconds = 10;  // at the limit
  EXPECT_EQ(WhyHold(signals, limits), "");
  signals.replica_lag_seconds = 14.4;
  signals.probe_ms = 500;
  EXPECT_EQ(WhyHold(signals, limits), "replica_lag: 14 s, at most 10 s");
}

TEST(WhyHold, WhatCannotBeReadHolds) {
  Signals signals = Calm();
  signals.lock_waiters.reset();
  EXPECT_EQ(WhyHold(signals, {}), "lock_waiters: cannot be read");
  EXPECT_EQ(WhyHold(signals, {.lock_waiters = -1}), "");
}

TEST(Pacer, SizeFollowsTheTimeOfBatches) {
  Backfill backfill;
  backfill.min_rows = 100;
  backfill.max_rows = 10'000;
  backfill.target_ms = 200;
  Pacer pacer(backfill, 1'000);
  EXPECT_EQ(pacer.AwaitTurn().value(), 1'000);
  pacer.Finished(1'000, absl::Milliseconds(50));  // at most twice
  EXPECT_EQ(pacer.AwaitTurn().value(), 2'000);
  pacer.Finished(2'000, absl::Milliseconds(250));
  EXPECT_EQ(pacer.AwaitTurn().value(), 1'600);
  pacer.Finished(1'600, absl::Seconds(10));  // at least half
  EXPECT_EQ(pacer.AwaitTurn().value(), 800);
  pacer.Finished(20, absl::Milliseconds(1));  // the rest of a range says nothing
  EXPECT_EQ(pacer.AwaitTurn().value(), 800);
  for (int i = 0; i < 10; ++i) pacer.TimedOut();
  EXPECT_EQ(pacer.AwaitTurn().value(), 100);
  for (int i = 0; i < 10; ++i) pacer.Finished(10'000, absl::Milliseconds(1));
  EXPECT_EQ(pacer.AwaitTurn().value(), 10'000);
}

TEST(Pacer, StopsWhoeverAsks) {
  const Backfill backfill;
  Pacer pacer(backfill, 1'000);
  pacer.Pause(true);
  pacer.Stop(absl::CancelledError("enough"));
  EXPECT_EQ(pacer.AwaitTurn().status().code(), absl::StatusCode::kCancelled);
}

TEST(Pacer, CountsTheTimeForWhichItHeld) {
  const Backfill backfill;
  Pacer pacer(backfill, 1'000);
  pacer.Hold("replica_lag: 14 s, at most 10 s");
  absl::SleepFor(absl::Milliseconds(20));
  pacer.Hold("");
  const Pacer::Reading reading = pacer.Read();
  EXPECT_EQ(reading.held, "");
  EXPECT_THAT(reading.held_for, Contains(Key("replica_lag")));
  EXPECT_GE(reading.held_for.at("replica_lag"), absl::Milliseconds(20));
}

}  // namespace
}  // namespace lockstep::migration
