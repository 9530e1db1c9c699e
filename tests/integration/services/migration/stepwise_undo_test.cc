// Undos of several steps: what others write between two of them is not lost.
#include <memory>
#include <thread>

#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Runs SQL as somebody else when a step is done, before the next one begins.
class BetweenSteps final : public EventSink {
 public:
  BetweenSteps(const testing::TestDatabase& db, int step, std::string sql)
      : db_(db), step_(step), sql_(std::move(sql)) {}
  void OnEvent(const RunEvent& event) override {
    if (event.kind == "step_finished" && event.step == step_) db_.Execute(sql_);
  }

 private:
  const testing::TestDatabase& db_;
  const int step_;
  const std::string sql_;
};

class StepwiseUndoTest : public EngineTest {
 protected:
  // The second step makes a table that the guard does not read, so it reads as well at the first.
  void WriteIndependent() {
    WriteRevision("aaaa", "steps { name: \"one\" }\nsteps { name: \"two\" }\n",
                  {{"01_one.up.sql", "CREATE TABLE core.one (id int PRIMARY KEY);"},
                   {"01_one.down.sql", "DROP TABLE core.one;"},
                   {"02_two.up.sql", "CREATE TABLE core.two (id int PRIMARY KEY);"},
                   {"02_two.down.sql", "DROP TABLE core.two;"},
                   {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"},
                   {"guard.sql", "SELECT 'ones' AS what, count(*) AS count FROM core.one;"}});
  }
  // The guard reads a map that goes before the column that it is about: every item has kind 'a',
  // which is no loss; any other kind is, unless the item is mapped.
  void WriteMapped() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.Write("catalog/aaaa_x/up.sql",
                  "CREATE TABLE core.t_aaaa (id int PRIMARY KEY);\n"
                  "INSERT INTO core.t_aaaa VALUES (1), (2);");
    WriteRevision(
        "bbbb", "down_revision: \"aaaa\"\nsteps { name: \"kind\" }\nsteps { name: \"map\" }\n",
        {{"01_kind.up.sql",
          "ALTER TABLE core.t_aaaa ADD COLUMN kind text, ADD COLUMN is_listed boolean NOT NULL "
          "DEFAULT false;\nUPDATE core.t_aaaa SET kind = 'a';"},
         {"01_kind.down.sql", "ALTER TABLE core.t_aaaa DROP COLUMN kind, DROP COLUMN is_listed;"},
         {"02_map.up.sql", "CREATE TABLE core.map (id int PRIMARY KEY);"},
         {"02_map.down.sql", "DROP TABLE core.map;"},
         {"verify.sql", "SELECT id FROM core.t_aaaa WHERE id < 0;"},
         {"guard.sql",
          "SELECT 'kinds' AS what, count(*) AS count FROM core.t_aaaa WHERE kind <> 'a' AND id NOT "
          "IN (SELECT id FROM core.map);"}});
  }
  absl::StatusOr<RunReport> DowngradeWith(std::string_view target, int step,
                                          const std::string& sql) {
    BetweenSteps sink(db_, step, sql);
    return NewEngine()->Downgrade(context_, target, {}, sink);
  }
};

TEST_F(StepwiseUndoTest, RowsThatComeBetweenTwoStepsAreGuarded) {
  WriteIndependent();
  ASSERT_OK(Upgrade());

  const auto refused = DowngradeWith("base", 2, "INSERT INTO core.one VALUES (1)");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("ones: 1"));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("lockstep upgrade"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.one"), "1");
  EXPECT_EQ(AppliedText(), "aaaa:1");
}

TEST_F(StepwiseUndoTest, WhatTheGuardHasSeenGoesAlsoAfterWhatItReads) {
  WriteMapped();
  ASSERT_OK(Upgrade());

  EXPECT_THAT(Downgrade("aaaa"), IsOk());
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(StepwiseUndoTest, WhatComesAfterTheGuardWasAskedForTheLastTimeStops) {
  for (const char* change : {"INSERT INTO core.t_aaaa VALUES (3, 'b')",
                             "UPDATE core.t_aaaa SET kind = 'b' WHERE id = 1"}) {
    WriteMapped();
    ASSERT_OK(Upgrade());

    const auto refused = DowngradeWith("aaaa", 2, change);

    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
    EXPECT_THAT(MessageOf(refused.status()), HasSubstr("core.t_aaaa.kind"));
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.t_aaaa WHERE kind = 'b'"), "1");
    EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1");

    // Once the ledger's memory and the table agree again, another run goes on where this one
    // stopped.
    db_.Execute("DELETE FROM core.t_aaaa WHERE id = 3; UPDATE core.t_aaaa SET kind = 'a'");
    EXPECT_THAT(Downgrade("aaaa"), IsOk());
    ASSERT_OK(Downgrade("base"));
  }
}

TEST_F(StepwiseUndoTest, WithoutMemoryOfTheGuardNothingThatHoldsValuesGoes) {
  WriteMapped();
  folder_.Write("catalog/bbbb_x/02_map.up.sql", "CREATE TABLE core.map (id no_such_type);");
  EXPECT_FALSE(Upgrade().ok());
  ASSERT_EQ(AppliedText(), "aaaa:1! bbbb:1");

  EXPECT_THAT(Downgrade("aaaa"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1");
  db_.Execute("UPDATE core.t_aaaa SET kind = NULL");

  // is_listed holds nothing but its default.
  EXPECT_THAT(Downgrade("aaaa"), IsOk());
}

class UndoOutsideTransactionsTest : public EngineTest {
 protected:
  // The undo begins with a step outside of transactions; core.kept is written by a trigger only.
  UndoOutsideTransactionsTest() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.Write("catalog/aaaa_x/up.sql",
                  "CREATE TABLE core.t_aaaa (id int PRIMARY KEY);\n"
                  "INSERT INTO core.t_aaaa VALUES (1);");
    WriteRevision(
        "bbbb",
        "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 300 retry_for_seconds: 1 }\n"
        "steps { name: \"table\" }\nsteps { name: \"index\" kind: STEP_KIND_NON_TRANSACTIONAL }\n"
        "destroys { table: \"core.t_aaaa\" key: \"id\" }\n",
        {{"01_table.up.sql", "CREATE TABLE core.t (id int PRIMARY KEY, n int);"},
         {"01_table.down.sql", "DROP TABLE core.t;"},
         {"02_index.up.sql", "CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);"},
         {"02_index.down.sql", "DROP INDEX CONCURRENTLY core.t_n_idx;"},
         {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"},
         {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t;"}});
    EXPECT_THAT(Upgrade(), IsOk());
  }
  std::unique_ptr<pg::Connection> Block() const {
    pg::ConnectionOptions options;
    options.database_url = db_.url();
    options.application_name = "the-blocker";
    auto connection = pg::Connection::Open(options);
    EXPECT_THAT(connection, IsOk());
    EXPECT_THAT((*connection)->Script("BEGIN; LOCK TABLE core.t IN ROW EXCLUSIVE MODE;"), IsOk());
    return *std::move(connection);
  }
};

TEST_F(UndoOutsideTransactionsTest, NamesTheBlockerWhenTimeIsUp) {
  const auto blocker = Block();

  const auto blocked = Downgrade("aaaa");

  EXPECT_THAT(blocked, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("the-blocker"));
  EXPECT_THAT(sink_.Messages("step_retried"), Not(IsEmpty()));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1,2!");
}

TEST_F(UndoOutsideTransactionsTest, GoesOnWhenTheBlockerLetsGo) {
  const auto blocker = Block();
  std::thread releaser([&] {
    while (sink_.Messages("step_retried").empty()) std::this_thread::yield();
    EXPECT_THAT(blocker->Script("COMMIT"), IsOk());
  });

  const auto report = Downgrade("aaaa");
  releaser.join();

  EXPECT_THAT(report, IsOk());
}

TEST_F(UndoOutsideTransactionsTest, RecordsWhatItKept) {
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa", {.archive = true}));

  ASSERT_THAT(down.archives, SizeIs(1));
  EXPECT_EQ(down.archives[0].source, "core.t_aaaa");
  ASSERT_OK_AND_ASSIGN(const auto listed, NewEngine()->ListArchives(context_, 10));
  EXPECT_THAT(listed, SizeIs(1));
  EXPECT_EQ(sink_.Messages("archived").size(), 1U);
  EXPECT_EQ(
      db_.QueryText("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'migration_archive%'"),
      "1");
}

}  // namespace
}  // namespace lockstep::migration
