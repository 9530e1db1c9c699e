// Backfills under way: people who pause, slow down and stop them, signals that hold them back,
// locks in their way, declarations that change.
#include <functional>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/integration/services/migration/backfill_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class BackfillControlTest : public BackfillFixture {
 protected:
  ~BackfillControlTest() override {
    if (runner_.joinable()) runner_.join();
  }
  // An upgrade on a thread, as run `id_`.
  void Start() {
    id_ = NewUuid();
    runner_ = std::thread([this] { status_ = Upgrade("head", {.run_id = id_}).status(); });
  }
  const absl::Status& Join() {
    runner_.join();
    return status_;
  }
  // False when `condition` did not come true in time.
  static bool Await(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return true;
  }
  std::int64_t RowsDone() const {
    const std::string rows =
        db_.QueryText("SELECT coalesce(sum(rows_walked), 0) FROM migration.backfill_chunks");
    return std::stoll(rows);
  }
  std::string State() const {
    const auto backfills = NewEngine()->ListBackfills(context_, 10);
    EXPECT_OK(backfills.status());
    return backfills.ok() && !backfills->empty() ? (*backfills)[0].state : "";
  }

  std::string id_;
  std::thread runner_;
  absl::Status status_;
};

TEST_F(BackfillControlTest, IsPausedSlowedDownAndStoppedThroughTheLedger) {
  MakeTable(20'000);
  WriteBackfill(kFold + std::string("batch { start_rows: 100 min_rows: 100 max_rows: 100 pause_ms: "
                                    "20 } "));
  Start();
  ASSERT_TRUE(Await([&] { return RowsDone() >= 300; }));
  // Through another engine: as from another process.
  ASSERT_OK(NewEngine()->ControlRun(context_, id_, "pause").status());
  ASSERT_TRUE(Await([&] { return State() == "paused"; }));
  const std::int64_t paused_at = RowsDone();
  absl::SleepFor(absl::Milliseconds(700));
  EXPECT_EQ(RowsDone(), paused_at);
  ASSERT_OK(NewEngine()->LimitRun(context_, id_, 500).status());
  ASSERT_OK(NewEngine()->ControlRun(context_, id_, "run").status());
  ASSERT_TRUE(Await([&] { return RowsDone() > paused_at + 300; }));
  const std::int64_t limited_at = RowsDone();
  absl::SleepFor(absl::Seconds(1));
  // 500 rows a second, and at most one batch more.
  EXPECT_LE(RowsDone(), limited_at + 500 + 200);
  ASSERT_OK(NewEngine()->ControlRun(context_, id_, "cancel").status());
  EXPECT_EQ(Join().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(State(), "interrupted");
  EXPECT_THAT(sink_.Messages("backfill_paused"), Not(IsEmpty()));
  EXPECT_THAT(NewEngine()->ControlRun(context_, id_, "pause").status(), Reason("RUN_NOT_ACTIVE"));

  const std::int64_t done = RowsDone();
  EXPECT_LT(done, 20'000);
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Walked(), "20000/20000/200");
  EXPECT_THAT(sink_.Messages("backfill_resumed"),
              Contains(HasSubstr(std::to_string(done) + " of about 20000 rows are done")));
}

TEST_F(BackfillControlTest, ASignalAboveItsLimitHoldsItUntilItFalls) {
  MakeTable(2'000);
  db_.Execute(
      "ALTER TABLE core.t SET (autovacuum_enabled = false);"
      "UPDATE core.t SET raw = raw || '!'; ANALYZE core.t;");
  WriteBackfill(kFold + std::string("hold { dead_rows_percent: 10 } ") + BatchesOf(1'000));
  Start();
  ASSERT_TRUE(Await([&] { return State() == "held"; }));
  ASSERT_OK_AND_ASSIGN(const auto held, NewEngine()->ListBackfills(context_, 1));
  EXPECT_THAT(held[0].reason, StartsWith("dead_rows: 20 %, at most 10 %"));
  EXPECT_EQ(RowsDone(), 0);
  db_.Execute("VACUUM core.t");
  ASSERT_TRUE(Await([&] { return RowsDone() > 0; }));
  // Its own dead rows may hold it again.
  std::thread janitor([&] {
    Await([&] {
      db_.Execute("VACUUM core.t");
      return RowsDone() == 2'000;
    });
  });
  EXPECT_OK(Join());
  janitor.join();
  EXPECT_THAT(sink_.Messages("backfill_held"), Contains(HasSubstr("dead_rows: 20 %")));
  EXPECT_EQ(Count("folded = lower(raw)"), "2000");
}

TEST_F(BackfillControlTest, ALockedRowMakesBatchesSmallerUntilTheLockIsGone) {
  MakeTable(1'000, "id bigint PRIMARY KEY, raw text NOT NULL, folded text", "n, 'Row ' || n");
  WriteRevision("bbbb",
                "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 100 retry_for_seconds: 30 }\n"
                "steps { name: \"fill\" kind: STEP_KIND_BACKFILL backfill { table: \"core.t\" "
                "key: \"id\" batch { start_rows: 500 min_rows: 10 } " +
                    std::string(kFold) + "} }\n",
                {{"verify.sql", "SELECT 1 FROM core.t WHERE folded IS NULL;"}});
  // It locks the row, but lets the trigger be made.
  const auto other = Open("catalog_app");
  ASSERT_OK(other->Script("BEGIN; SELECT FROM core.t WHERE id = 990 FOR UPDATE;"));
  Start();
  ASSERT_TRUE(Await([&] { return RowsDone() >= 900; }));
  EXPECT_LT(RowsDone(), 990);
  ASSERT_OK(other->Script("COMMIT;"));
  EXPECT_OK(Join());
  EXPECT_EQ(Count("folded = lower(raw)"), "1000");
  EXPECT_EQ(db_.QueryText("SELECT sum(rows_walked) FROM migration.backfill_chunks"), "1000");
}

TEST_F(BackfillControlTest, ADeclarationThatChangedBeginsAgain) {
  MakeTable(3'000);
  const std::string slow = "batch { start_rows: 100 min_rows: 100 max_rows: 100 pause_ms: 50 } ";
  WriteBackfill(kFold + slow);
  Start();
  ASSERT_TRUE(Await([&] { return RowsDone() >= 300; }));
  ASSERT_OK(NewEngine()->ControlRun(context_, id_, "cancel").status());
  EXPECT_EQ(Join().code(), absl::StatusCode::kCancelled);
  WriteBackfill(
      "set { column: \"folded\" expression: \"upper(raw)\" } trigger: \"t_folded_sync\" ");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Count("folded = upper(raw)"), "3000");
  EXPECT_THAT(sink_.Messages("backfill_restarted"), Not(IsEmpty()));
}

TEST_F(BackfillControlTest, WhatWasBegunIsTakenBackByADowngrade) {
  MakeTable(3'000);
  WriteBackfill(kFold + std::string("batch { start_rows: 100 min_rows: 100 max_rows: 100 pause_ms: "
                                    "50 } "));
  Start();
  ASSERT_TRUE(Await([&] { return RowsDone() >= 300; }));
  ASSERT_OK(NewEngine()->ControlRun(context_, id_, "cancel").status());
  Join();
  EXPECT_TRUE(HasTrigger());
  ASSERT_OK(Downgrade("aaaa").status());
  EXPECT_FALSE(HasTrigger());
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.backfills"), "0");
}

}  // namespace
}  // namespace lockstep::migration
