// Runners that die in a downgrade, or with a privileged step in their hands.
#include <signal.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"
#include "tests/integration/services/migration/runner_process.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::IsSupersetOf;

class ProcessTest : public EngineTest {
 protected:
  std::unique_ptr<RunnerProcess> Start(const RunnerOrders& orders) const {
    return std::make_unique<RunnerProcess>(db_.url("lockstep_migrator"), folder_.root(), orders);
  }
  // Runs to its end; every kill point on the way.
  std::set<std::string> PointsOf(RunnerOrders orders) const {
    orders.record = folder_.root() + "-points";
    const auto recording = Start(orders);
    EXPECT_EQ(recording->Wait(), 0) << recording->Output();
    std::ifstream in(orders.record);
    const std::set<std::string> points{std::istream_iterator<std::string>(in), {}};
    std::filesystem::remove(orders.record);
    return points;
  }
  void Die(RunnerOrders orders, const std::string& point) const {
    orders.killpoint = point;
    orders.signal = "KILL";
    const auto victim = Start(orders);
    ASSERT_EQ(victim->Wait(), -SIGKILL) << victim->Output();
  }
  void Run(const RunnerOrders& orders) const {
    const auto runner = Start(orders);
    ASSERT_EQ(runner->Wait(), 0) << runner->Output();
  }
  void ExpectNothingOpen() const {
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_intents"), "0");
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runner_sessions"), "0");
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs WHERE state = 'running'"), "0");
  }
};

class UndoTakeoverTest : public ProcessTest {
 protected:
  // bbbb's undo drops an index outside of transactions and takes rows; aaaa's guard reads those
  // rows, so that it is rehearsed.
  UndoTakeoverTest() {
    WriteRevision("aaaa", "",
                  {{"up.sql", "CREATE TABLE core.t (id int PRIMARY KEY, n int);"},
                   {"down.sql", "DROP TABLE core.t;"},
                   {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"},
                   {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t;"}});
    WriteRevision(
        "bbbb",
        "down_revision: \"aaaa\"\nsteps { name: \"rows\" }\n"
        "steps { name: \"index\" kind: STEP_KIND_NON_TRANSACTIONAL }\n"
        "destroys { table: \"core.t\" key: \"id\" }\n",
        {{"01_rows.up.sql", "INSERT INTO core.t SELECT n, n FROM generate_series(1, 50) AS n;"},
         {"01_rows.down.sql", "DELETE FROM core.t;"},
         {"02_index.up.sql",
          "CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);\n"
          "CREATE INDEX CONCURRENTLY t_nid_idx ON core.t (n, id);"},
         {"02_index.down.sql",
          "DROP INDEX CONCURRENTLY core.t_n_idx;\nDROP INDEX CONCURRENTLY core.t_nid_idx;"},
         {"verify.sql", "SELECT id FROM core.t WHERE n < 0;"},
         {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t WHERE n > 100;"}});
  }
  std::string Indexes() const {
    return db_.QueryText(
        "SELECT string_agg(c.relname || ' ' || indisvalid, ',' ORDER BY c.relname) FROM pg_index i"
        " JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'core.t'::regclass");
  }
  void ExpectUp() const {
    EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1,2!");
    EXPECT_EQ(Indexes(), "t_n_idx true,t_nid_idx true,t_pkey true");
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.t"), "50");
    ExpectNothingOpen();
  }
  void ExpectDown() const {
    EXPECT_EQ(AppliedText(), "");
    EXPECT_FALSE(TableExists("core.t"));
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.archived_scripts"), "0");
    ExpectNothingOpen();
  }
  void KillAtEveryPoint(const RunnerOrders& down, const std::set<std::string>& wanted) {
    ASSERT_OK(Upgrade());
    const std::set<std::string> points = PointsOf(down);
    ExpectDown();
    EXPECT_THAT(points, IsSupersetOf(wanted));
    for (const std::string& point : points) {
      SCOPED_TRACE(point);
      ASSERT_OK(Upgrade());
      Die(down, point);
      Run(down);
      ExpectDown();
    }
  }
};

TEST_F(UndoTakeoverTest, KilledAnywhereARepeatedDowngradeConverges) {
  KillAtEveryPoint({.verb = "downgrade", .target = "base"},
                   {"downgrade_checked", "rehearsed", "undo_locked", "step_prepared",
                    "step_commit_sent", "concurrent_intent_recorded", "concurrent_done"});
}

TEST_F(UndoTakeoverTest, KilledWhileItKeepsDataARepeatedDowngradeConverges) {
  ASSERT_OK(Upgrade());
  const RunnerOrders down{.verb = "downgrade", .target = "base", .archive = true};
  std::string kept;
  for (const std::string point : {"undo_locked", "undo_archived", "step_prepared"}) {
    SCOPED_TRACE(point);
    ASSERT_OK(Upgrade());
    Die(down, point);
    Run(down);
    ExpectDown();
    // Kept once, with the undo that came to its end.
    kept += kept.empty() ? "50" : ",50";
    EXPECT_EQ(db_.QueryText("SELECT string_agg(row_count::text, ',') FROM migration.archives"
                            " WHERE source = 'core.t' AND kind = 'rows'"),
              kept);
  }
}

TEST_F(UndoTakeoverTest, UpgradeAfterAKilledUndoBringsTheRevisionBack) {
  ASSERT_OK(Upgrade());
  for (const std::string point :
       {"undo_locked", "concurrent_before_intent", "concurrent_intent_recorded",
        "concurrent_before_send", "concurrent_sent", "concurrent_done", "concurrent_done:2",
        "concurrent_before_record", "concurrent_recorded", "step_prepared", "step_committed"}) {
    SCOPED_TRACE(point);
    Die({.verb = "downgrade", .target = "aaaa"}, point);

    Run({.verb = "upgrade", .target = "head"});

    ExpectUp();
  }
}

TEST_F(UndoTakeoverTest, StatementThatFailsInAnUndoLeavesNoLieBehind) {
  ASSERT_OK(Upgrade());
  db_.Execute("ALTER INDEX core.t_nid_idx RENAME TO other");
  EXPECT_THAT(Downgrade("aaaa"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1,2");
  EXPECT_EQ(Indexes(), "other true,t_pkey true");
  db_.Execute("ALTER INDEX core.other RENAME TO t_nid_idx");

  ASSERT_OK(Upgrade());

  ExpectUp();
  EXPECT_EQ(db_.QueryText("SELECT string_agg(direction, ',' ORDER BY log_id) FROM"
                          " migration.step_log WHERE revision = 'bbbb' AND ordinal = 2"),
            "up,up");
}

TEST_F(UndoTakeoverTest, StampTakesAHalfUndoneStepAtItsWord) {
  ASSERT_OK(Upgrade());
  Die({.verb = "downgrade", .target = "aaaa"}, "concurrent_intent_recorded");

  ASSERT_OK(NewEngine()->Stamp(context_, "head", {}, sink_));

  ExpectUp();
}

TEST_F(UndoTakeoverTest, DowngradeClearsWhatAKilledBuildLeft) {
  for (const std::string point : {"concurrent_intent_recorded", "concurrent_done",
                                  "concurrent_done:2", "concurrent_before_record"}) {
    SCOPED_TRACE(point);
    Die({.verb = "upgrade", .target = "head"}, point);
    EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1");

    Run({.verb = "downgrade", .target = "aaaa"});

    EXPECT_EQ(AppliedText(), "aaaa:1!");
    EXPECT_EQ(Indexes(), "t_pkey true");
    ExpectNothingOpen();
  }
}

// Any SQL of an administrator whose effect the catalog shows.
class PrivilegedTakeoverTest : public ProcessTest {
 protected:
  PrivilegedTakeoverTest() {
    WriteRevision("aaaa", "steps { name: \"extension\" kind: STEP_KIND_PRIVILEGED }\n",
                  {{"01_extension.up.sql", "CREATE EXTENSION citext SCHEMA core;"},
                   {"01_extension.down.sql", "DROP EXTENSION citext;"},
                   {"verify.sql", "SELECT 1 WHERE false;"}});
  }
  bool HasExtension() const {
    return db_.QueryText("SELECT count(*) FROM pg_extension WHERE extname = 'citext'") == "1";
  }
  void Expect(bool is_applied) const {
    EXPECT_EQ(AppliedText(), is_applied ? "aaaa:1!" : "");
    EXPECT_EQ(HasExtension(), is_applied);
    ExpectNothingOpen();
  }
  EngineOptions Impatient() const {
    EngineOptions options = Options();
    options.privileged_wait = absl::Milliseconds(100);
    return options;
  }
};

TEST_F(PrivilegedTakeoverTest, KilledAsTheAdministratorARepeatedRunConverges) {
  for (const std::string verb : {"upgrade", "downgrade"}) {
    const RunnerOrders orders{
        .verb = verb, .target = verb == "upgrade" ? "head" : "base", .admin_url = db_.url()};
    const RunnerOrders back{.verb = verb == "upgrade" ? "downgrade" : "upgrade",
                            .target = verb == "upgrade" ? "base" : "head",
                            .admin_url = db_.url()};
    for (const std::string point : {"privileged_before_begin", "privileged_checked",
                                    "privileged_commit_sent", "privileged_committed"}) {
      SCOPED_TRACE(verb + " " + point);
      if (verb == "downgrade") Run(back);
      Die(orders, point);

      Run(orders);

      Expect(verb == "upgrade");
      if (verb == "upgrade") Run(back);
    }
  }
}

TEST_F(PrivilegedTakeoverTest, PrintedUndoThatWasRunAfterTheRunnerDiedIsRecordedAsUndone) {
  for (const std::string point : {"privileged_announced", "privileged_waiting"}) {
    SCOPED_TRACE(point);
    Run({.admin_url = db_.url()});
    Die({.verb = "downgrade", .target = "base"}, point);
    EXPECT_EQ(AppliedText(), "aaaa:1");
    db_.Execute("DROP EXTENSION citext");

    Run({.verb = "downgrade", .target = "base"});

    Expect(false);
  }
}

TEST_F(PrivilegedTakeoverTest, UpgradeAfterAKilledPrintedUndoAsksTheCatalog) {
  Run({.admin_url = db_.url()});
  Die({.verb = "downgrade", .target = "base"}, "privileged_waiting");
  // Nobody ran it: it is all there.
  Run({});
  Expect(true);

  Die({.verb = "downgrade", .target = "base"}, "privileged_waiting");
  db_.Execute("DROP EXTENSION citext");
  EXPECT_THAT(NewEngine(Impatient())->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PRIVILEGED_STEP_PENDING")));
  EXPECT_EQ(AppliedText(), "aaaa:1");

  Run({.admin_url = db_.url()});

  Expect(true);
}

}  // namespace
}  // namespace lockstep::migration
