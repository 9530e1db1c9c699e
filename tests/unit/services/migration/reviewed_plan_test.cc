#include "services/migration/engine/run/reviewed_plan.h"

#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/services/migration/made_definitions.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// MadeSuite() in which files change between the review and the run.
class ReviewedPlanTest : public ::testing::Test {
 protected:
  // The first `steps` steps of a revision are done; all of them when -1.
  void Apply(const std::string& id, int steps = -1) {
    const Graph graph(definitions_);
    const Revision& revision = graph.at(*graph.Find(id));
    AppliedRevision& applied = state_.revisions[id];
    applied = {.service = revision.service,
               .is_complete = steps < 0,
               .checksum = steps < 0 ? revision.checksum : "",
               .steps = {}};
    for (const Step& step : revision.steps) {
      if (steps < 0 || step.ordinal <= steps) {
        applied.steps.push_back({step.ordinal, step.name, step.checksum});
      }
    }
  }
  ReviewedPlan Up(const std::string& target) {
    const Graph graph(definitions_);
    const auto plan = PlanUpgrade(graph, state_, target);
    EXPECT_OK(plan);
    return plan.ok() ? Review(graph, *plan, {}) : ReviewedPlan();
  }
  ReviewedPlan Down(const std::string& target, const std::string& undo_text = "DROP") {
    const Graph graph(definitions_);
    const auto plan = PlanDowngrade(graph, state_, target);
    EXPECT_OK(plan);
    if (!plan.ok()) return ReviewedPlan();
    UndoScripts undos;
    for (const Revision& revision : definitions_.revisions) {
      for (const Step& step : revision.steps) {
        undos[{revision.id, step.ordinal}].text = undo_text;
      }
    }
    return Review(graph, *plan, undos);
  }
  Revision& At(const std::string& id) {
    return definitions_.revisions[*Graph(definitions_).Find(id)];
  }

  Definitions definitions_ = MadeSuite();
  AppliedState state_;
};

TEST_F(ReviewedPlanTest, SaysEverythingThatDecidesWhatRuns) {
  Apply("c001");
  Apply("o001");
  const ReviewedPlan plan = Up("orders@head");

  EXPECT_EQ(plan.target, "orders@head");
  EXPECT_THAT(plan.from_heads, ElementsAre("catalog@c001", "orders@o001"));
  EXPECT_THAT(plan.to_heads, ElementsAre("catalog@c002", "finance@f001", "orders@o003"));
  ASSERT_EQ(plan.steps.size(), 5U);
  EXPECT_EQ(plan.steps[3], (ReviewedStep{.service = "orders",
                                         .revision = "o002",
                                         .revision_checksum = "v1:o002",
                                         .ordinal = 2,
                                         .name = "s2",
                                         .kind = "transactional",
                                         .checksum = "v1:o002/2",
                                         .direction = Direction::kUp,
                                         .undo_sha256 = ""}));
}

TEST_F(ReviewedPlanTest, TheSamePlanHasNoDifferences) {
  EXPECT_THAT(DifferencesOf(Up("head"), Up("head"), state_), IsEmpty());
  for (const Revision& revision : MadeSuite().revisions) Apply(revision.id);
  EXPECT_THAT(DifferencesOf(Down("v1"), Down("v1"), state_), IsEmpty());
}

TEST_F(ReviewedPlanTest, ADoneBeginningIsNoDifference) {
  const ReviewedPlan reviewed = Up("v2");
  Apply("c001");
  Apply("o001");
  Apply("c002");
  Apply("f001");
  Apply("o002", 1);
  EXPECT_THAT(DifferencesOf(reviewed, Up("v2"), state_), IsEmpty());
  Apply("o002");
  EXPECT_THAT(DifferencesOf(reviewed, Up("v2"), state_), IsEmpty());
}

TEST_F(ReviewedPlanTest, AnUndoneBeginningIsNoDifference) {
  for (const Revision& revision : MadeSuite().revisions) Apply(revision.id);
  const ReviewedPlan reviewed = Down("v1");
  state_.revisions.erase("c003");
  state_.revisions.erase("o003");
  Apply("o002", 1);
  EXPECT_THAT(DifferencesOf(reviewed, Down("v1"), state_), IsEmpty());
}

TEST_F(ReviewedPlanTest, TellsAChangedStep) {
  const ReviewedPlan reviewed = Up("v2");
  At("o002").steps[1].checksum = "v1:mended";
  At("o002").checksum = "v1:other";

  EXPECT_THAT(DifferencesOf(reviewed, Up("v2"), state_),
              ElementsAre("changed: orders o002 step 1 (s1) up: revision checksum v1:other instead"
                          " of v1:o002",
                          "changed: orders o002 step 2 (s2) up: step checksum v1:mended instead of"
                          " v1:o002/2; revision checksum v1:other instead of v1:o002"));
}

TEST_F(ReviewedPlanTest, TellsAMendedStepOfWhatRemains) {
  const ReviewedPlan reviewed = Up("v2");
  Apply("c001");
  Apply("o001");
  Apply("c002");
  Apply("f001");
  Apply("o002", 1);
  At("o002").steps[1].checksum = "v1:mended";

  EXPECT_THAT(DifferencesOf(reviewed, Up("v2"), state_),
              ElementsAre(HasSubstr("changed: orders o002 step 2 (s2) up")));
}

TEST_F(ReviewedPlanTest, TellsMissingAndAddedSteps) {
  const ReviewedPlan reviewed = Up("v2");
  Revision& o002 = At("o002");
  o002.steps.pop_back();
  definitions_.revisions.push_back(MadeRevision("catalog", "c004", {"c003"}));

  EXPECT_THAT(DifferencesOf(reviewed, Up("v2"), state_),
              ElementsAre("missing: orders o002 step 2 (s2) up was reviewed and would not run"));
  EXPECT_THAT(DifferencesOf(reviewed, Up("head"), state_),
              ElementsAre(HasSubstr("missing: orders o002"),
                          "added: orders o003 step 1 (s1) up would run and was not reviewed",
                          HasSubstr("added: catalog c003"), HasSubstr("added: catalog c004"),
                          "leads to: catalog@c004, finance@f001, orders@o003 instead of"
                          " catalog@c002, finance@f001, orders@o002"));
}

TEST_F(ReviewedPlanTest, TellsAnotherOrder) {
  const ReviewedPlan reviewed = Up("v2");
  ReviewedPlan now = reviewed;
  std::swap(now.steps[1], now.steps[2]);

  EXPECT_THAT(DifferencesOf(reviewed, now, state_),
              ElementsAre("order: catalog c002 step 1 (s1) up would run in the place of orders"
                          " o001 step 1 (s1) up"));
}

TEST_F(ReviewedPlanTest, TellsAnotherStart) {
  const ReviewedPlan reviewed = Up("finance@head");
  Apply("c001");
  EXPECT_THAT(DifferencesOf(reviewed, Up("finance@head"), state_), IsEmpty());
  Apply("c002");

  EXPECT_THAT(DifferencesOf(reviewed, Up("finance@head"), state_),
              ElementsAre(HasSubstr("leads to: catalog@c002, finance@f001")));

  state_ = {};
  const ReviewedPlan of_catalog = Up("c001");
  ReviewedPlan now = of_catalog;
  now.from_heads = {"finance@f001"};
  EXPECT_THAT(DifferencesOf(of_catalog, now, state_),
              ElementsAre("starts from: finance@f001 instead of base"));
}

TEST_F(ReviewedPlanTest, TellsAnAmendedUndo) {
  Apply("c001");
  const ReviewedPlan reviewed = Down("base");

  EXPECT_THAT(DifferencesOf(reviewed, Down("base", "ALTER"), state_),
              ElementsAre(HasSubstr("changed: catalog c001 step 1 (s1) down: archived undo ")));
  EXPECT_THAT(DifferencesOf(reviewed, Up("head"), state_),
              ElementsAre("direction: up instead of down"));
}

TEST_F(ReviewedPlanTest, TheRefusalFitsIntoATrailer) {
  const std::vector<std::string> many(1000, std::string(100, 'x'));

  const absl::Status refused = PlanChanged(Up("head"), many);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PLAN_CHANGED")));
  EXPECT_LT(MessageOf(refused).size(), 3'000U);
  EXPECT_THAT(MessageOf(refused), HasSubstr("\n  and 9"));
  EXPECT_OK(PlanChanged(Up("head"), {}));
}

}  // namespace
}  // namespace lockstep::migration
