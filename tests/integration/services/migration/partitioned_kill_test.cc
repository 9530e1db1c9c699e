// A runner that dies anywhere in the build or the drop of an index of a partitioned table: the next
// one finishes what it finds.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/partitioned_fixture.h"
#include "tests/integration/services/migration/runner_process.h"

namespace lockstep::migration {
namespace {

using ::testing::Contains;
using ::testing::Key;

class PartitionedKillTest : public PartitionedFixture {
 protected:
  int Run(const RunnerOrders& orders, std::string* output) const {
    RunnerProcess runner(db_.url("lockstep_migrator"), folder_.root(), orders);
    const int code = runner.Wait();
    *output = runner.Output();
    return code;
  }
  void MustRun(const std::string& verb) const {
    std::string output;
    const std::string target = verb == "upgrade" ? "head" : "aaaa";
    ASSERT_EQ(Run({.verb = verb, .target = target}, &output), 0) << output;
  }
  // How often each kill point of the step is passed.
  std::map<std::string, int> Hits(const std::string& verb) const {
    RunnerOrders orders{.verb = verb, .target = verb == "upgrade" ? "head" : "aaaa"};
    orders.record = folder_.root() + "-points";
    std::string output;
    EXPECT_EQ(Run(orders, &output), 0) << output;
    std::map<std::string, int> hits;
    std::ifstream in(orders.record);
    for (std::istream_iterator<std::string> it(in), end; it != end; ++it) {
      if (it->starts_with("partitioned") || it->starts_with("concurrent")) ++hits[*it];
    }
    std::filesystem::remove(orders.record);
    return hits;
  }
  void MustDie(const std::string& verb, const std::string& point, int hit) const {
    std::string output;
    ASSERT_EQ(Run({.verb = verb,
                   .target = verb == "upgrade" ? "head" : "aaaa",
                   .killpoint = point + ":" + std::to_string(hit),
                   .signal = "KILL"},
                  &output),
              -SIGKILL)
        << output;
  }
  void ExpectBuilt() const {
    EXPECT_EQ(ValidParts(), kAllParts);
    EXPECT_EQ(CountIndexes(), "5");
    EXPECT_EQ(Intents(), "0");
    EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  }
};

TEST_F(PartitionedKillTest, KilledAnywhereInTheBuildTheNextRunFinishesIt) {
  const std::map<std::string, int> hits = Hits("upgrade");
  for (const char* point : {"partitioned_parent_made", "partitioned_part_made",
                            "partitioned_part_attached", "concurrent_sent"}) {
    ASSERT_THAT(hits, Contains(Key(point)));
  }
  EXPECT_EQ(hits.at("partitioned_part_attached"), 4);
  ExpectBuilt();
  for (const auto& [point, count] : hits) {
    for (const int hit : std::set<int>{1, (count + 1) / 2, count}) {
      SCOPED_TRACE(point + ":" + std::to_string(hit));
      MustRun("downgrade");
      EXPECT_EQ(CountIndexes(), "0");
      MustDie("upgrade", point, hit);
      MustRun("upgrade");
      ExpectBuilt();
    }
  }
}

TEST_F(PartitionedKillTest, KilledAnywhereInTheBuildADowngradeLeavesNothing) {
  const std::map<std::string, int> hits = Hits("upgrade");
  MustRun("downgrade");
  for (const char* point : {"partitioned_parent_made", "partitioned_part_made",
                            "partitioned_part_attached", "concurrent_sent"}) {
    const int count = hits.at(point);
    for (const int hit : std::set<int>{1, (count + 1) / 2, count}) {
      SCOPED_TRACE(std::string(point) + ":" + std::to_string(hit));
      MustDie("upgrade", point, hit);
      MustRun("downgrade");
      EXPECT_EQ(CountIndexes(), "0");
      EXPECT_EQ(Intents(), "0");
      EXPECT_EQ(AppliedText(), "aaaa:1!");
    }
  }
}

TEST_F(PartitionedKillTest, KilledAnywhereInTheDropTheNextRunFinishesOrBringsItBack) {
  MustRun("upgrade");
  const std::map<std::string, int> hits = Hits("downgrade");
  ASSERT_THAT(hits, Contains(Key("partitioned_dropped")));
  for (const auto& [point, count] : hits) {
    SCOPED_TRACE(point);
    MustRun("upgrade");
    MustDie("downgrade", point, count);
    MustRun("downgrade");
    EXPECT_EQ(CountIndexes(), "0");
    MustRun("upgrade");
    MustDie("downgrade", point, 1);
    MustRun("upgrade");
    ExpectBuilt();
  }
}

}  // namespace
}  // namespace lockstep::migration
