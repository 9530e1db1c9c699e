#include "common/pg/lost_commit.h"

#include "gtest/gtest.h"

namespace lockstep::pg {
namespace {

TEST(JudgeCommit, BelievesTheServerThatBeganTheTransaction) {
  EXPECT_EQ(JudgeCommit("committed", true), CommitOutcome::kCommitted);
  EXPECT_EQ(JudgeCommit("aborted", true), CommitOutcome::kNotCommitted);
  EXPECT_EQ(JudgeCommit("in progress", true), CommitOutcome::kRunning);
}

// After a crash the id may be another transaction's.
TEST(JudgeCommit, TakesNobodyElsesCommitForOurs) {
  EXPECT_EQ(JudgeCommit("committed", false), CommitOutcome::kUnknown);
}

// An id that was written down is not assigned again, so whoever has it now proves that ours was
// not.
TEST(JudgeCommit, KnowsThatAnIdThatIsUsedAgainWasNotWrittenDown) {
  EXPECT_EQ(JudgeCommit("aborted", false), CommitOutcome::kNotCommitted);
  EXPECT_EQ(JudgeCommit("in progress", false), CommitOutcome::kRunning);
}

TEST(JudgeCommit, DoesNotGuessWhatIsTooOld) {
  EXPECT_EQ(JudgeCommit(std::nullopt, true), CommitOutcome::kUnknown);
  EXPECT_EQ(JudgeCommit(std::nullopt, false), CommitOutcome::kUnknown);
}

}  // namespace
}  // namespace lockstep::pg
