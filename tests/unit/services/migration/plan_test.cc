#include "services/migration/engine/plan.h"

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

class PlanTest : public ::testing::Test {
 protected:
  // Marks the first `steps` steps of a revision as done; all of them, and the revision as complete,
  // when -1.
  void Apply(const std::string& id, int steps = -1) {
    const Revision& revision = graph_.at(*graph_.Find(id));
    AppliedRevision& applied = state_.revisions[id];
    applied = {};
    applied.service = revision.service;
    applied.is_complete = steps < 0;
    applied.checksum = steps < 0 ? revision.checksum : "";
    for (const Step& step : revision.steps) {
      if (steps < 0 || step.ordinal <= steps) {
        applied.steps.push_back({step.ordinal, step.name, step.checksum});
      }
    }
  }
  void ApplyAll(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) Apply(id);
  }

  // "o002[0 1] f001[0]"; a star marks a revision that is resumed.
  std::string Text(const Plan& plan) const {
    std::string text;
    for (const PlanItem& item : plan.items) {
      text += (text.empty() ? "" : " ") + graph_.at(item.position).id + (item.resumes ? "*[" : "[");
      for (std::size_t i = 0; i < item.steps.size(); ++i) {
        text += (i == 0 ? "" : " ") + std::to_string(item.steps[i]);
      }
      text += "]";
    }
    return text;
  }
  std::string Up(const std::string& target) {
    auto plan = PlanUpgrade(graph_, state_, target);
    EXPECT_OK(plan);
    return plan.ok() ? Text(*plan) : "";
  }
  std::string Down(const std::string& target) {
    auto plan = PlanDowngrade(graph_, state_, target);
    EXPECT_OK(plan);
    return plan.ok() ? Text(*plan) : "";
  }

  Definitions definitions_ = MadeSuite();
  const Graph graph_{definitions_};
  AppliedState state_;
};

TEST_F(PlanTest, UpgradesInOrder) {
  EXPECT_EQ(Up("head"), "c001[0] o001[0] c002[0] f001[0] o002[0 1] o003[0] c003[0]");
  EXPECT_EQ(Up("v1"), "c001[0] o001[0]");
  EXPECT_EQ(Up("o002"), "c001[0] o001[0] c002[0] o002[0 1]");
  EXPECT_EQ(Up("base"), "");
  ApplyAll({"c001", "o001"});
  EXPECT_EQ(Up("v2"), "c002[0] f001[0] o002[0 1]");
  EXPECT_EQ(Up("v1"), "");
  EXPECT_EQ(Up("+1"), "c002[0] f001[0] o002[0 1]");
  EXPECT_EQ(Up("orders@+1"), "c002[0] o002[0 1]");
}

// A change set over two services: each adds, moves and takes away, and nothing is taken away before
// both have added and moved, whatever the order of the files.
TEST(PlanPhasesTest, AReleaseAddsEverywhereBeforeItTakesAwayAnywhere) {
  Definitions definitions;
  definitions.revisions = {
      MadeRevision("catalog", "c1"),         MadeRevision("catalog", "c2", {"c1"}),
      MadeRevision("catalog", "c3", {"c2"}), MadeRevision("orders", "o1"),
      MadeRevision("orders", "o2", {"o1"}),  MadeRevision("orders", "o3", {"o2"}),
      MadeRevision("finance", "f1"),
  };
  for (const std::size_t i : {1U, 4U}) definitions.revisions[i].phase = Phase::kMigrate;
  for (const std::size_t i : {2U, 5U}) definitions.revisions[i].phase = Phase::kContract;
  definitions.releases = {{"v1", "2025-01-01", "", {"c1", "c2", "c3", "o1", "o2", "o3"}, {}}};
  const Graph graph(definitions);
  const auto ids = [&](const Plan& plan) {
    std::string text;
    for (const PlanItem& item : plan.items) text += graph.at(item.position).id + " ";
    return text;
  };

  ASSERT_OK_AND_ASSIGN(const Plan up, PlanUpgrade(graph, {}, "head"));
  EXPECT_EQ(ids(up), "c1 o1 c2 o2 c3 o3 f1 ");

  AppliedState state;
  for (const Revision& revision : definitions.revisions) {
    state.revisions[revision.id] = {.service = revision.service,
                                    .is_complete = true,
                                    .checksum = revision.checksum,
                                    .steps = {{1, "s1", revision.steps[0].checksum}}};
  }
  ASSERT_OK_AND_ASSIGN(const Plan down, PlanDowngrade(graph, state, "base"));
  EXPECT_EQ(ids(down), "f1 o3 c3 o2 c2 o1 c1 ");
}

TEST_F(PlanTest, NamesTheHeads) {
  ApplyAll({"c001", "o001"});
  ASSERT_OK_AND_ASSIGN(const Plan plan, PlanUpgrade(graph_, state_, "v2"));
  EXPECT_EQ(plan.direction, Direction::kUp);
  EXPECT_EQ(plan.target.name, "v2");
  EXPECT_FALSE(plan.empty());
  EXPECT_THAT(plan.from_heads, ElementsAre("catalog@c001", "orders@o001"));
  EXPECT_THAT(plan.to_heads, ElementsAre("catalog@c002", "finance@f001", "orders@o002"));
}

TEST_F(PlanTest, AnUpgradeGoesOnWhereItStopped) {
  ApplyAll({"c001", "o001", "c002"});
  Apply("o002", 1);
  EXPECT_EQ(Up("orders@head"), "f001[0] o002*[1] o003[0]");
  EXPECT_EQ(Up("+1"), "f001[0] o002*[1]");
  // All steps are there, only the last word is missing.
  Apply("o002", 2);
  EXPECT_EQ(Up("o002"), "o002*[]");
}

TEST_F(PlanTest, AStepWhoseUndoIsNotFinishedRunsAgain) {
  ApplyAll({"c001", "o001", "c002"});
  Apply("o002", 1);
  Apply("o002", 2);
  state_.revisions["o002"].steps[1].is_half_undone = true;

  EXPECT_EQ(Up("o002"), "o002*[1]");
  EXPECT_EQ(Down("v1"), "o002[1 0] c002[0]");
}

TEST_F(PlanTest, WhatAStepLeftThatWasOnlyBegunGoes) {
  ApplyAll({"c001", "o001", "c002"});
  state_.revisions["o002"].service = "orders";
  state_.revisions["o002"].begun = {1};

  EXPECT_EQ(Up("o002"), "o002[0 1]");
  ASSERT_OK_AND_ASSIGN(const Plan plan, PlanDowngrade(graph_, state_, "v1"));
  ASSERT_THAT(plan.items, ::testing::SizeIs(2));
  EXPECT_THAT(plan.items[0].steps, ::testing::IsEmpty());
  EXPECT_THAT(plan.items[0].begun, ElementsAre(0));
}

TEST_F(PlanTest, DowngradesInReverse) {
  ApplyAll({"c001", "o001", "c002", "f001", "o002", "o003", "c003"});
  EXPECT_EQ(Down("v3"), "c003[0]");
  EXPECT_EQ(Down("v2"), "c003[0] o003[0]");
  EXPECT_EQ(Down("-1"), "c003[0]");
  EXPECT_EQ(Down("v1"), "c003[0] o003[0] o002[1 0] f001[0] c002[0]");
  EXPECT_EQ(Down("base"), "c003[0] o003[0] o002[1 0] f001[0] c002[0] o001[0] c001[0]");
  EXPECT_EQ(Down("head"), "");
}

TEST_F(PlanTest, ADowngradeOfOneServiceTakesItsDependentsAlong) {
  ApplyAll({"c001", "o001", "c002", "f001", "o002", "o003", "c003"});
  EXPECT_EQ(Down("orders@-1"), "o003[0]");
  EXPECT_EQ(Down("o002"), "o003[0]");
  EXPECT_EQ(Down("finance@base"), "o003[0] f001[0]");
  EXPECT_EQ(Down("catalog@-1"), "c003[0]");
  EXPECT_EQ(Down("c001"), "c003[0] o003[0] o002[1 0] c002[0]");
  EXPECT_EQ(Down("orders@base"), "o003[0] o002[1 0] f001[0] o001[0]");
  ASSERT_OK_AND_ASSIGN(const Plan plan, PlanDowngrade(graph_, state_, "orders@base"));
  EXPECT_THAT(plan.from_heads, ElementsAre("catalog@c003", "finance@f001", "orders@o003"));
  EXPECT_THAT(plan.to_heads, ElementsAre("catalog@c003"));
}

TEST_F(PlanTest, ADowngradeUndoesOnlyWhatIsDone) {
  ApplyAll({"c001", "o001", "c002"});
  Apply("o002", 1);
  EXPECT_EQ(Down("v1"), "o002*[0] c002[0]");
  EXPECT_EQ(Down("orders@-1"), "o002*[0]");
  EXPECT_EQ(Down("-1"), "o002*[0] c002[0]");
}

TEST_F(PlanTest, AHalfAppliedLastRevisionIsWhatAStepBackTakes) {
  ApplyAll({"c001", "o001", "c002", "f001"});
  Apply("o002", 1);
  EXPECT_EQ(Down("-1"), "o002*[0] f001[0] c002[0]");
  EXPECT_EQ(Up("+1"), "o002*[1]");
}

TEST_F(PlanTest, NamesEditedFilesOfAppliedSteps) {
  ApplyAll({"c001", "o001", "c002", "o002"});
  definitions_.revisions[0].steps[0].checksum = "v1:edited";
  definitions_.revisions[4].steps[1].checksum = "v1:edited";
  for (const absl::Status& status :
       {CheckHistory(graph_, state_), PlanUpgrade(graph_, state_, "head").status(),
        PlanDowngrade(graph_, state_, "base").status()}) {
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kFailedPrecondition, Reason("HISTORY_MISMATCH")));
    EXPECT_EQ(MetadataOf(status, "files"),
              "catalog/c001_x/01.up.sql or catalog/c001_x/01.down.sql\n"
              "orders/o002_x/02.up.sql or orders/o002_x/02.down.sql");
  }
}

TEST_F(PlanTest, NamesEditedSpecsAndChecks) {
  ApplyAll({"c001", "o001"});
  definitions_.revisions[1].checksum = "v1:edited";
  EXPECT_THAT(MetadataOf(CheckHistory(graph_, state_), "files"),
              "orders/o001_x/revision.textproto or verify.sql");
  // A ledger that recorded none is not compared.
  state_.revisions["o001"].checksum.clear();
  EXPECT_OK(CheckHistory(graph_, state_));
}

TEST_F(PlanTest, StepsOfAnAppliedRevisionMayNeitherComeNorGo) {
  ApplyAll({"c001", "o001", "c002", "o002"});
  const std::vector<Step> steps = definitions_.revisions[4].steps;
  definitions_.revisions[4].steps.pop_back();
  EXPECT_THAT(MetadataOf(CheckHistory(graph_, state_), "files"),
              HasSubstr("orders/o002_x/revision.textproto (step 2 \"s2\" is gone)"));
  definitions_.revisions[4].steps = steps;
  definitions_.revisions[4].steps.push_back(steps[1]);
  definitions_.revisions[4].steps[2].ordinal = 3;
  EXPECT_THAT(MetadataOf(CheckHistory(graph_, state_), "files"),
              HasSubstr("orders/o002_x/revision.textproto (step 3 \"s2\" is new)"));
}

TEST_F(PlanTest, TheFailedStepOfAHalfAppliedRevisionMayBeMended) {
  ApplyAll({"c001", "o001", "c002"});
  Apply("o002", 1);
  definitions_.revisions[4].steps[1].checksum = "v1:mended";
  definitions_.revisions[4].checksum = "v1:mended";
  EXPECT_EQ(Up("o002"), "o002*[1]");
  definitions_.revisions[4].steps[0].checksum = "v1:edited";
  EXPECT_THAT(CheckHistory(graph_, state_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("HISTORY_MISMATCH")));
}

TEST_F(PlanTest, NamesRevisionsThatTheFilesDoNotHave) {
  ApplyAll({"c001"});
  state_.revisions["gone1"] = {
      .service = "orders", .is_complete = true, .checksum = "", .steps = {}};
  state_.revisions["multi_platform"] = {
      .service = "orders", .is_complete = true, .checksum = "", .steps = {}};
  const absl::Status status = PlanUpgrade(graph_, state_, "head").status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("HISTORY_UNKNOWN_REVISION")));
  EXPECT_EQ(MetadataOf(status, "revisions"), "orders@gone1, orders@multi_platform");
}

TEST_F(PlanTest, LongListsStaySmallEnoughForATrailer) {
  for (int i = 100; i < 200; ++i) state_.revisions["gone" + std::to_string(i)].service = "orders";
  const absl::Status status = CheckHistory(graph_, state_);
  EXPECT_THAT(MetadataOf(status, "revisions"), HasSubstr("orders@gone119, and 80 more"));
}

TEST_F(PlanTest, BadTargetsAreReported) {
  EXPECT_THAT(PlanUpgrade(graph_, state_, "v9"),
              StatusIs(absl::StatusCode::kNotFound, Reason("TARGET_UNKNOWN")));
  EXPECT_THAT(PlanDowngrade(graph_, state_, "-1"),
              StatusIs(absl::StatusCode::kOutOfRange, Reason("TARGET_OUT_OF_RANGE")));
}

TEST(PlanSizeTest, TenThousandRevisionsPlan) {
  Definitions definitions;
  AppliedState state;
  for (int i = 0; i < 10'000; ++i) {
    std::vector<std::string> parents;
    if (i > 0) parents.push_back("r" + std::to_string(9'999 + i));
    Revision revision = MadeRevision("orders", "r" + std::to_string(10'000 + i), parents);
    if (i < 5'000) {
      state.revisions[revision.id] = {.service = "orders",
                                      .is_complete = true,
                                      .checksum = revision.checksum,
                                      .steps = {{1, "s1", revision.steps[0].checksum}}};
    }
    definitions.revisions.push_back(std::move(revision));
  }
  const Graph graph(definitions);
  ASSERT_OK_AND_ASSIGN(const Plan up, PlanUpgrade(graph, state, "head"));
  EXPECT_EQ(up.items.size(), 5'000U);
  ASSERT_OK_AND_ASSIGN(const Plan down, PlanDowngrade(graph, state, "base"));
  EXPECT_EQ(down.items.size(), 5'000U);
}

}  // namespace
}  // namespace lockstep::migration
