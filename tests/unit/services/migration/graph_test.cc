#include "services/migration/engine/graph.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/services/migration/made_definitions.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class GraphTest : public ::testing::Test {
 protected:
  std::string Ids(const RevisionSet& set) const {
    std::string ids;
    for (const std::size_t position : set) ids += (ids.empty() ? "" : " ") + graph_.at(position).id;
    return ids;
  }
  std::size_t At(const std::string& id) const { return *graph_.Find(id); }

  const Definitions definitions_ = MadeSuite();
  const Graph graph_{definitions_};
};

TEST_F(GraphTest, FindsByIdAndAlias) {
  EXPECT_EQ(graph_.at(*graph_.Find("o002")).id, "o002");
  EXPECT_EQ(graph_.at(*graph_.Find("multi_platform")).id, "o002");
  EXPECT_FALSE(graph_.Find("o00").has_value());
  EXPECT_EQ(Ids(graph_.FindByPrefix("o00")), "o001 o002 o003");
  EXPECT_EQ(Ids(graph_.FindByPrefix("multi")), "o002");
  EXPECT_THAT(graph_.FindByPrefix("x"), IsEmpty());
}

TEST_F(GraphTest, KnowsServicesAndNeighbours) {
  EXPECT_THAT(graph_.services(), ElementsAre("catalog", "finance", "orders"));
  EXPECT_EQ(Ids(graph_.OfService("orders")), "o001 o002 o003");
  EXPECT_EQ(Ids(graph_.Needs(At("o002"))), "o001 c002");
  EXPECT_EQ(Ids(graph_.NeededBy(At("o001"))), "f001 o002");
  EXPECT_EQ(graph_.All().size(), 7U);
}

TEST_F(GraphTest, ClosesUpAndDown) {
  EXPECT_EQ(Ids(graph_.Closure({At("o002")})), "c001 o001 c002 o002");
  EXPECT_EQ(Ids(graph_.Closure({At("o003")})), "c001 o001 c002 f001 o002 o003");
  EXPECT_EQ(Ids(graph_.Closure({})), "");
  EXPECT_EQ(Ids(graph_.Dependents({At("f001")})), "f001 o003");
  EXPECT_EQ(Ids(graph_.Dependents({At("c002")})), "c002 o002 o003 c003");
  EXPECT_EQ(Ids(graph_.Dependents({At("c001")})), "c001 o001 c002 f001 o002 o003 c003");
}

TEST_F(GraphTest, HeadsAreWithinTheSet) {
  EXPECT_EQ(Ids(graph_.Heads(graph_.All())), "f001 o003 c003");
  EXPECT_EQ(Ids(graph_.Heads({At("c001"), At("o001"), At("c002")})), "o001 c002");
}

TEST_F(GraphTest, ReleasesAreCumulative) {
  EXPECT_EQ(Ids(graph_.ReleaseSet(*graph_.FindRelease("v1"))), "c001 o001");
  EXPECT_EQ(Ids(graph_.ReleaseSet(*graph_.FindRelease("v2"))), "c001 o001 c002 f001 o002");
  EXPECT_EQ(Ids(graph_.ReleaseSet(*graph_.FindRelease("v3"))), "c001 o001 c002 f001 o002 o003");
  EXPECT_FALSE(graph_.FindRelease("v4").has_value());
  EXPECT_EQ(graph_.ReleaseOf(At("o002")), 1U);
  EXPECT_FALSE(graph_.ReleaseOf(At("c003")).has_value());
}

TEST(GraphSizeTest, AChainOfTenThousandIsFast) {
  Definitions definitions;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = "r" + std::to_string(10'000 + i);
    definitions.revisions.push_back(
        MadeRevision("orders", id,
                     i == 0 ? std::vector<std::string>{}
                            : std::vector<std::string>{"r" + std::to_string(9'999 + i)}));
  }
  const Graph graph(definitions);
  EXPECT_EQ(graph.Closure({9'999}).size(), 10'000U);
  EXPECT_EQ(graph.Dependents({0}).size(), 10'000U);
  EXPECT_THAT(graph.Heads(graph.All()), ElementsAre(9'999U));
}

}  // namespace
}  // namespace lockstep::migration
