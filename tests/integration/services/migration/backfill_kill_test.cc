// A runner that dies anywhere in a backfill: the next one loses and repeats no batch.
#include <signal.h>

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/backfill_fixture.h"
#include "tests/integration/services/migration/runner_process.h"

namespace lockstep::migration {
namespace {

using ::testing::Contains;
using ::testing::Key;

class BackfillKillTest : public BackfillFixture {
 protected:
  int Run(const RunnerOrders& orders, std::string* output = nullptr) const {
    RunnerProcess runner(db_.url("lockstep_migrator"), folder_.root(), orders);
    const int code = runner.Wait();
    if (output != nullptr) *output = runner.Output();
    return code;
  }
  // How often each kill point of the backfill is passed.
  std::map<std::string, int> Hits() const {
    RunnerOrders orders;
    orders.record = folder_.root() + "-points";
    std::string output;
    EXPECT_EQ(Run(orders, &output), 0) << output;
    std::map<std::string, int> hits;
    std::ifstream in(orders.record);
    for (std::istream_iterator<std::string> it(in), end; it != end; ++it) {
      if (it->starts_with("backfill")) ++hits[*it];
    }
    std::filesystem::remove(orders.record);
    return hits;
  }
};

TEST_F(BackfillKillTest, NoBatchIsLostOrRepeated) {
  // Counts how often each row was changed for good.
  MakeTable(1'500, "id bigint PRIMARY KEY, raw text NOT NULL, changes integer NOT NULL DEFAULT 0",
            "n, 'Row ' || n");
  db_.Execute(
      "CREATE FUNCTION core.count_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " NEW.changes := OLD.changes + 1; RETURN NEW; END $$;"
      "CREATE TRIGGER count_changes BEFORE UPDATE ON core.t FOR EACH ROW"
      " EXECUTE FUNCTION core.count_changes();");
  // The same rows are changed again and again here.
  WriteBackfill(kFold + BatchesOf(300) + "hold { dead_rows_percent: -1 } ");
  const std::map<std::string, int> hits = Hits();
  for (const char* point : {"backfill_before_trigger", "backfill_trigger_committed",
                            "backfill_frozen", "backfill_before_batch", "backfill_batch_changed",
                            "backfill_commit_sent", "backfill_batch_committed", "backfill_verified",
                            "backfill_before_record", "backfill_recorded"}) {
    EXPECT_THAT(hits, Contains(Key(point)));
  }
  EXPECT_EQ(hits.at("backfill_commit_sent"), 5);
  for (const auto& [point, count] : hits) {
    // The first one, one amid the others, the last one.
    for (const int hit : std::set<int>{1, (count + 1) / 2, count}) {
      SCOPED_TRACE(point + ":" + std::to_string(hit));
      std::string output;
      ASSERT_EQ(Run({.verb = "downgrade", .target = "aaaa"}, &output), 0) << output;
      db_.Execute(
          "ALTER TABLE core.t DISABLE TRIGGER count_changes; UPDATE core.t SET changes = 0;"
          "ALTER TABLE core.t ENABLE TRIGGER count_changes;");
      ASSERT_EQ(Run({.killpoint = point + ":" + std::to_string(hit), .signal = "KILL"}, &output),
                -SIGKILL)
          << output;
      ASSERT_EQ(Run({}, &output), 0) << output;
      EXPECT_EQ(Count("folded = lower(raw) AND changes = 1"), "1500");
      EXPECT_EQ(Walked(), "1500/1500/5");
      EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1,2!");
      EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runner_sessions"), "0");
    }
  }
}

}  // namespace
}  // namespace lockstep::migration
