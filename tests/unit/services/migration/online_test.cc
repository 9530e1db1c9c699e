// The decisions of online execution that are functions of values.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/partitioned_sql.h"
#include "services/migration/engine/run/build_progress.h"
#include "services/migration/engine/run/standby_spacing.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'000);

TEST(PartitionedSqlTest, ParentIsMadeOnOnly) {
  EXPECT_EQ(ParentIndexStatement("CREATE INDEX CONCURRENTLY i ON core.p (n)"),
            "CREATE INDEX  i ON ONLY core.p (n)");
  EXPECT_EQ(ParentIndexStatement("create unique index concurrently if not exists \"on\"\n"
                                 "  on /* now */ core.p (n)"),
            "create unique index  if not exists \"on\"\n  on ONLY /* now */ core.p (n)");
}

TEST(PartitionedSqlTest, OnlyMeansOnly) {
  EXPECT_EQ(ParentIndexStatement("CREATE INDEX CONCURRENTLY i ON ONLY core.p (n)"), std::nullopt);
  EXPECT_EQ(ParentIndexStatement("CREATE INDEX i ON core.p (n)"), std::nullopt);
}

TEST(PartitionedSqlTest, NamesOfPartsAreTheirOwnAndFit) {
  const std::string name = PartIndexName("core.p_n_idx", "core.p_1");
  EXPECT_EQ(name, PartIndexName("core.p_n_idx", "core.p_1"));
  EXPECT_EQ(name.substr(0, 12), "p_n_idx_p_1_");
  EXPECT_NE(name, PartIndexName("core.p_n_idx", "other.p_1"));
  EXPECT_NE(name, PartIndexName("core.p_m_idx", "core.p_1"));
  const std::string part(63, 'x');
  const std::string longest = PartIndexName("core." + part, "core." + part);
  EXPECT_EQ(longest.size(), 63U);
  EXPECT_NE(longest, PartIndexName("core." + part, "core." + part.substr(1)));
  // No half character: the umlaut would be cut in two.
  EXPECT_EQ(PartIndexName("core." + std::string(53, 'x') + "\xC3\xA4", "core.p").size(), 62U);
}

TEST(ValidatedConstraintsTest, NamesThemAll) {
  EXPECT_THAT(ValidatedConstraints("alter table core.t validate constraint a, "
                                   "VALIDATE CONSTRAINT \"B c\""),
              ElementsAre("a", "B c"));
  EXPECT_THAT(ValidatedConstraints("ALTER TABLE core.t DROP CONSTRAINT a"), IsEmpty());
  EXPECT_THAT(ValidatedConstraints("not sql"), IsEmpty());
}

TEST(SpacingTest, OnlyStandbysAndASpacingMakeAStepWait) {
  const absl::Duration spacing = absl::Seconds(5);
  const absl::Time later = kStart + absl::Seconds(2);
  EXPECT_EQ(SpacingLeft(kStart, later, spacing, 1), absl::Seconds(3));
  EXPECT_EQ(SpacingLeft(kStart, kStart + spacing, spacing, 2), absl::ZeroDuration());
  EXPECT_EQ(SpacingLeft(kStart, later, spacing, 0), absl::ZeroDuration());
  EXPECT_EQ(SpacingLeft(std::nullopt, later, spacing, 1), absl::ZeroDuration());
  EXPECT_EQ(SpacingLeft(kStart, later, absl::ZeroDuration(), 1), absl::ZeroDuration());
}

BuildProgress At(std::int64_t blocks) {
  BuildProgress progress;
  progress.table = "core.t";
  progress.phase = "building index: scanning table";
  progress.blocks_done = blocks;
  progress.blocks_total = 200;
  return progress;
}

TEST(BuildWatchTest, TellsWhatChangedOnceASecond) {
  BuildWatch watch;
  const absl::Duration stall = absl::Minutes(10);
  EXPECT_EQ(watch.Look(At(1), kStart, stall), BuildWatch::News::kProgress);
  EXPECT_EQ(watch.Look(At(2), kStart + absl::Milliseconds(500), stall), BuildWatch::News::kNothing);
  EXPECT_EQ(watch.Look(At(2), kStart + absl::Seconds(1), stall), BuildWatch::News::kProgress);
  EXPECT_EQ(watch.Look(At(2), kStart + absl::Seconds(5), stall), BuildWatch::News::kNothing);
}

TEST(BuildWatchTest, TellsAStallOncePerPeriodUntilItMoves) {
  BuildWatch watch;
  const absl::Duration stall = absl::Seconds(10);
  EXPECT_EQ(watch.Look(At(1), kStart, stall), BuildWatch::News::kProgress);
  EXPECT_EQ(watch.Look(At(1), kStart + absl::Seconds(9), stall), BuildWatch::News::kNothing);
  EXPECT_EQ(watch.Look(At(1), kStart + absl::Seconds(10), stall), BuildWatch::News::kStalled);
  EXPECT_EQ(watch.Look(At(1), kStart + absl::Seconds(19), stall), BuildWatch::News::kNothing);
  EXPECT_EQ(watch.Look(At(1), kStart + absl::Seconds(20), stall), BuildWatch::News::kStalled);
  EXPECT_EQ(watch.unchanged_since(), kStart);
  EXPECT_EQ(watch.Look(At(2), kStart + absl::Seconds(21), stall), BuildWatch::News::kProgress);
  EXPECT_EQ(watch.Look(At(2), kStart + absl::Seconds(30), stall), BuildWatch::News::kNothing);
}

TEST(BuildProgressTest, CountsWhatThePhaseCounts) {
  EXPECT_EQ(At(50).percent(), 25);
  EXPECT_EQ(At(50).text(), "core.t: building index: scanning table, 50 of 200 blocks (25 %)");
  BuildProgress waiting;
  waiting.table = "core.t";
  waiting.phase = "waiting for old snapshots";
  EXPECT_EQ(waiting.percent(), std::nullopt);
  waiting.lockers_total = 2;
  waiting.current_locker_pid = 7;
  EXPECT_EQ(waiting.text(),
            "core.t: waiting for old snapshots, 0 of 2 transactions (0 %), waits for pid 7");
}

}  // namespace
}  // namespace lockstep::migration
