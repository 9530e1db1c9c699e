// Runs over repeatable definitions that die: a repeated run comes to the same end.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/repeatable_fixture.h"
#include "tests/integration/services/migration/runner_process.h"

namespace lockstep::migration {
namespace {

using ::testing::Contains;
using ::testing::StartsWith;

class RepeatableKillTest : public RepeatableTest {
 protected:
  int RunProcess(const RunnerOrders& orders) const {
    RunnerProcess process(db_.url("lockstep_migrator"), folder_.root(), orders);
    return process.Wait();
  }
  // "name:n" of every kill point on the way, each as often as it is passed.
  std::vector<std::string> PointsOf(RunnerOrders orders) const {
    orders.record = folder_.root() + "-points";
    EXPECT_EQ(RunProcess(orders), 0);
    std::ifstream in(orders.record);
    const std::vector<std::string> passed{std::istream_iterator<std::string>(in), {}};
    std::filesystem::remove(orders.record);
    std::map<std::string, int> times;
    std::vector<std::string> points;
    for (const std::string& name : passed) {
      // What belongs to the steps; the rest of a run has tests of its own.
      if (!name.starts_with("step_")) continue;
      points.push_back(name + ":" + std::to_string(++times[name]));
    }
    return points;
  }
  void DieAndRepeat(RunnerOrders orders, const std::string& point) const {
    RunnerOrders victim = orders;
    victim.killpoint = point;
    victim.signal = "KILL";
    ASSERT_EQ(RunProcess(victim), -SIGKILL);
    ASSERT_EQ(RunProcess(orders), 0);
  }
};

TEST_F(RepeatableKillTest, AnUpgradeConverges) {
  ASSERT_OK(Upgrade());
  const RunnerOrders up;
  auto swap = [&, is_swapped = false]() mutable {
    is_swapped = !is_swapped;
    WriteStock(is_swapped ? "SELECT n, id FROM core.t" : "SELECT id, n FROM core.t");
    return is_swapped ? "n,id" : "id,n";
  };
  swap();
  const std::vector<std::string> points = PointsOf(up);
  EXPECT_THAT(points, Contains(StartsWith("step_prepared")));
  EXPECT_THAT(points, Contains(StartsWith("step_commit_sent")));
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    const std::string columns = swap();
    DieAndRepeat(up, point);
    EXPECT_EQ(Columns("core.stock"), columns);
    EXPECT_EQ(Columns("finance.report"), "id");
  }
}

TEST_F(RepeatableKillTest, ADowngradeConverges) {
  ASSERT_OK(Upgrade());
  AddColumn();
  WriteStock("SELECT id, n, m FROM core.t");
  ASSERT_OK(Upgrade());
  const RunnerOrders down{.verb = "downgrade", .target = "catalog@aaaa"};
  const std::vector<std::string> points = PointsOf(down);
  // Set aside, undone, two put back.
  EXPECT_THAT(points, Contains("step_committed:4"));
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    ASSERT_OK(Upgrade());
    ASSERT_EQ(Columns("core.stock"), "id,n,m");
    DieAndRepeat(down, point);
    EXPECT_EQ(AppliedText(), "aaaa:1! ffff:1!");
    EXPECT_EQ(Columns("core.stock"), "id,n");
    EXPECT_EQ(Columns("finance.report"), "id");
    EXPECT_EQ(SetAside(), "0");
  }
}

}  // namespace
}  // namespace lockstep::migration
