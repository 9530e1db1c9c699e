// Runs of a reviewed plan: that plan runs, or nothing does.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ReviewedRunTest : public EngineTest {
 protected:
  ReviewedRunTest() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.AddRevision("catalog", "abbb", "down_revision: \"aaaa\"\n");
    folder_.AddRevision("catalog", "accc", "down_revision: \"abbb\"\n");
  }

  // What `lockstep plan` would write.
  ReviewedPlan Reviewed(Direction direction, std::string_view target) {
    const auto engine = NewEngine();
    const auto report = engine->PlanFor(context_, direction, target);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? Review(engine->graph(), report->plan, report->undos) : ReviewedPlan();
  }
  absl::StatusOr<RunReport> Run(const ReviewedPlan& plan) {
    RunOptions options;
    options.reviewed = plan;
    return plan.direction == Direction::kUp ? Upgrade(plan.target, options)
                                            : Downgrade(plan.target, options);
  }
  std::string Runs() const { return db_.QueryText("SELECT count(*) FROM migration.runs"); }
};

auto IsChanged() { return StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PLAN_CHANGED")); }

TEST_F(ReviewedRunTest, RunsBothWaysAndRemembersThePlan) {
  const ReviewedPlan up = Reviewed(Direction::kUp, "head");
  ASSERT_OK_AND_ASSIGN(const RunReport upgraded, Run(up));
  EXPECT_EQ(upgraded.steps_run, 3);
  EXPECT_EQ(db_.QueryText("SELECT details ->> 'plan' FROM migration.run_events WHERE run_id = '" +
                          upgraded.run_id + "' AND kind = 'run_started'"),
            FingerprintOf(up));
  ASSERT_OK_AND_ASSIGN(const RunReport again, Run(up));
  EXPECT_TRUE(again.nothing_to_do);

  ASSERT_OK_AND_ASSIGN(const RunReport undone, Run(Reviewed(Direction::kDown, "aaaa")));
  EXPECT_EQ(undone.steps_run, 2);
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(ReviewedRunTest, RefusesAnEditedStepBeforeAnythingRuns) {
  const ReviewedPlan plan = Reviewed(Direction::kUp, "head");
  folder_.Write("catalog/accc_x/up.sql", "CREATE TABLE core.t_accc (id uuid, n int);\n");

  const auto refused = Run(plan);

  EXPECT_THAT(refused, IsChanged());
  EXPECT_EQ(ExitClassOf(refused.status()), ExitClass::kBlocked);
  EXPECT_THAT(MessageOf(refused.status()),
              AllOf(HasSubstr("changed: catalog accc step 1"), HasSubstr("step checksum"),
                    HasSubstr("lockstep plan head -o FILE")));
  EXPECT_EQ(AppliedText(), "");
  EXPECT_EQ(Runs(), "0");
}

TEST_F(ReviewedRunTest, RefusesARevisionThatCameSince) {
  const ReviewedPlan plan = Reviewed(Direction::kUp, "head");
  folder_.AddRevision("orders", "bbbb", "depends_on: \"aaaa\"\n");

  const auto refused = Run(plan);

  EXPECT_THAT(refused, IsChanged());
  EXPECT_THAT(MessageOf(refused.status()),
              AllOf(HasSubstr("added: orders bbbb step 1"), HasSubstr("leads to:")));
  EXPECT_EQ(AppliedText(), "");
}

TEST_F(ReviewedRunTest, RefusesAnotherStart) {
  folder_.AddRevision("orders", "bbbb");
  const ReviewedPlan plan = Reviewed(Direction::kUp, "catalog@head");
  ASSERT_OK(Upgrade("orders@head"));

  const auto refused = Run(plan);

  EXPECT_THAT(refused, IsChanged());
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("starts from: orders@bbbb instead of base"));
  EXPECT_EQ(AppliedText(), "bbbb:1!");
}

TEST_F(ReviewedRunTest, GoesOnAfterAFailure) {
  const ReviewedPlan plan = Reviewed(Direction::kUp, "head");
  db_.Execute("CREATE TABLE core.t_abbb (in_the_way int)");
  EXPECT_THAT(Run(plan), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  db_.Execute("DROP TABLE core.t_abbb");

  ASSERT_OK_AND_ASSIGN(const RunReport rest, Run(plan));

  EXPECT_EQ(rest.steps_run, 2);
  EXPECT_EQ(AppliedText(), "aaaa:1! abbb:1! accc:1!");
}

TEST_F(ReviewedRunTest, AMendedStepIsToBeReviewedAgain) {
  const ReviewedPlan plan = Reviewed(Direction::kUp, "head");
  db_.Execute("CREATE TABLE core.t_abbb (in_the_way int)");
  EXPECT_FALSE(Run(plan).ok());
  folder_.Write("catalog/abbb_x/up.sql", "CREATE TABLE IF NOT EXISTS core.t_abbb (id uuid);\n");

  const auto refused = Run(plan);

  EXPECT_THAT(refused, IsChanged());
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("changed: catalog abbb step 1"));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(ReviewedRunTest, AnAmendedUndoIsToBeReviewedAgain) {
  ASSERT_OK(Upgrade());
  const ReviewedPlan plan = Reviewed(Direction::kDown, "aaaa");
  AmendOptions amend;
  amend.revision = "abbb";
  amend.down_sql = "ALTER TABLE core.t_abbb RENAME TO t_kept;";
  amend.reason = "keep it";
  ASSERT_OK(NewEngine()->Amend(context_, amend));

  const auto refused = Run(plan);

  EXPECT_THAT(refused, IsChanged());
  EXPECT_THAT(MessageOf(refused.status()), AllOf(HasSubstr("changed: catalog abbb step 1"),
                                                 HasSubstr("archived undo"), HasSubstr("--down")));
  EXPECT_EQ(AppliedText(), "aaaa:1! abbb:1! accc:1!");
  EXPECT_OK(Run(Reviewed(Direction::kDown, "aaaa")));
  EXPECT_TRUE(TableExists("core.t_kept"));
}

}  // namespace
}  // namespace lockstep::migration
