// Verifications and expectations, each with a planted violation.
#include <memory>
#include <thread>

#include "absl/time/clock.h"
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
using ::testing::SizeIs;

class VerifyTest : public EngineTest {
 protected:
  void WriteTable(const std::string& id, const std::string& more = "") {
    WriteRevision(
        id, more,
        {{"up.sql", "CREATE TABLE core.t_" + id + " (id int PRIMARY KEY);"},
         {"down.sql", "DROP TABLE core.t_" + id + ";"},
         {"verify.sql", "-- no negatives\nSELECT id FROM core.t_" + id +
                            " WHERE id < 0;\nSELECT id FROM core.t_" + id + " WHERE id > 99;"}});
  }
};

TEST_F(VerifyTest, ReportsPlantedViolation) {
  WriteTable("aaaa");
  WriteTable("bbbb", "down_revision: \"aaaa\"\n");
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.t_bbbb SELECT -n FROM generate_series(1, 9) AS n");

  ASSERT_OK_AND_ASSIGN(const VerifyReport report, NewEngine()->Verify(context_, sink_));

  EXPECT_THAT(report.results, SizeIs(4));
  EXPECT_EQ(report.failed, 1);
  EXPECT_EQ(report.results[2].revision, "bbbb");
  EXPECT_EQ(report.results[2].check_id, "verify.sql:2");
  EXPECT_THAT(report.results[2].actual, HasSubstr("{\"id\": -1}"));
  EXPECT_THAT(report.results[2].actual, HasSubstr("and more"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.verification_results WHERE NOT passed"),
            "1");
  EXPECT_EQ(db_.QueryText("SELECT state FROM migration.runs WHERE kind = 'verify'"), "failed");
}

TEST_F(VerifyTest, RunChecksWhatItTouchedAndKeepsTheSteps) {
  WriteTable("aaaa");
  WriteTable("bbbb", "down_revision: \"aaaa\"\n");
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.t_aaaa VALUES (-1)");
  WriteTable("cccc", "down_revision: \"bbbb\"\n");
  ASSERT_OK_AND_ASSIGN(const RunReport untouched, Upgrade());
  EXPECT_THAT(untouched.verifications, SizeIs(2));

  WriteRevision("dddd", "down_revision: \"cccc\"\n",
                {{"up.sql", "ALTER TABLE core.t_aaaa ADD COLUMN n int;"},
                 {"down.sql", "ALTER TABLE core.t_aaaa DROP COLUMN n;"},
                 {"verify.sql", "SELECT 1 FROM core.t_aaaa WHERE n < 0;"}});
  const auto failed = Upgrade();

  EXPECT_THAT(failed,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_FAILED")));
  EXPECT_THAT(AppliedText(), HasSubstr("dddd:1!"));
}

TEST_F(VerifyTest, SupersededOnesNeedNotHold) {
  WriteTable("aaaa");
  WriteTable("bbbb", "down_revision: \"aaaa\"\nsupersedes_verify: \"aaaa\"\n");
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.t_aaaa VALUES (-1)");

  ASSERT_OK_AND_ASSIGN(const VerifyReport report, NewEngine()->Verify(context_, sink_));

  EXPECT_EQ(report.failed, 0);
  EXPECT_THAT(report.results, SizeIs(2));
}

TEST_F(VerifyTest, TableDroppedInOrderFailsNothingButDriftDoes) {
  WriteTable("aaaa");
  WriteTable("bbbb", "down_revision: \"aaaa\"\n");
  WriteRevision("cccc", "down_revision: \"bbbb\"\n",
                {{"up.sql", "DROP TABLE core.t_aaaa;"},
                 {"down.sql", "CREATE TABLE core.t_aaaa (id int PRIMARY KEY);"},
                 {"verify.sql", "SELECT 1 WHERE to_regclass('core.t_aaaa') IS NOT NULL;"}});

  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const VerifyReport in_order, NewEngine()->Verify(context_, sink_));
  EXPECT_EQ(in_order.failed, 0);

  db_.Execute("DROP TABLE core.t_bbbb");
  ASSERT_OK_AND_ASSIGN(const VerifyReport drifted, NewEngine()->Verify(context_, sink_));
  EXPECT_EQ(drifted.failed, 2);
  EXPECT_THAT(drifted.results[0].actual, HasSubstr("42P01"));
}

TEST_F(VerifyTest, OnlyWhatWasDroppedItselfIsExcused) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.t (id int PRIMARY KEY, n int, m int);\n"
                  "CREATE TABLE core.other (id int PRIMARY KEY);"},
                 {"down.sql", "DROP TABLE core.t;\nDROP TABLE core.other;"},
                 {"verify.sql",
                  "SELECT id FROM core.other WHERE id < 0;\n"
                  "SELECT x.id FROM core.t AS x WHERE x.n < 0;\n"
                  "SELECT id FROM core.t WHERE m < 0;\n"
                  "SELECT id FROM core.t WHERE id < 0;"}});
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "DROP TABLE core.other;\nALTER TABLE core.t DROP COLUMN n;"},
                 {"down.sql",
                  "ALTER TABLE core.t ADD COLUMN n int;\n"
                  "CREATE TABLE core.other (id int PRIMARY KEY);"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const VerifyReport in_order, NewEngine()->Verify(context_, sink_));
  EXPECT_EQ(in_order.failed, 0);
  EXPECT_THAT(sink_.Messages("verification_skipped"), SizeIs(::testing::Ge(2U)));

  db_.Execute("ALTER TABLE core.t DROP COLUMN m");
  ASSERT_OK_AND_ASSIGN(const VerifyReport column, NewEngine()->Verify(context_, sink_));
  EXPECT_EQ(column.failed, 1);

  db_.Execute("DROP TABLE core.t");
  ASSERT_OK_AND_ASSIGN(const VerifyReport table, NewEngine()->Verify(context_, sink_));
  EXPECT_EQ(table.failed, 3);
}

TEST_F(VerifyTest, AHalfAppliedRevisionExcusesNothing) {
  WriteTable("aaaa");
  WriteRevision("bbbb",
                "down_revision: \"aaaa\"\nsteps { name: \"one\" }\nsteps { name: \"two\" }\n",
                {{"01_one.up.sql", "DROP TABLE core.t_aaaa;"},
                 {"01_one.down.sql", "CREATE TABLE core.t_aaaa (id int PRIMARY KEY);"},
                 {"02_two.up.sql", "ALTER TABLE core.none ADD COLUMN x int;"},
                 {"02_two.down.sql", "ALTER TABLE core.none DROP COLUMN x;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  EXPECT_FALSE(Upgrade().ok());
  ASSERT_EQ(AppliedText(), "aaaa:1! bbbb:1");

  ASSERT_OK_AND_ASSIGN(const VerifyReport report, NewEngine()->Verify(context_, sink_));

  EXPECT_EQ(report.failed, 2);
}

TEST_F(VerifyTest, WhatReadsAViewIsCheckedWhenItsTableIsTouched) {
  WriteRevision(
      "aaaa", "",
      {{"up.sql",
        "CREATE TABLE core.t (id int PRIMARY KEY);\n"
        "CREATE VIEW core.inner_view AS SELECT id FROM core.t;\n"
        "CREATE VIEW core.outer_view AS SELECT id FROM core.inner_view;"},
       {"down.sql", "DROP VIEW core.outer_view;\nDROP VIEW core.inner_view;\nDROP TABLE core.t;"},
       {"verify.sql", "SELECT id FROM core.outer_view WHERE id < 0;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.t VALUES (-1)");
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "ALTER TABLE core.t ADD COLUMN n int;"},
                 {"down.sql", "ALTER TABLE core.t DROP COLUMN n;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});

  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_FAILED")));
}

TEST_F(VerifyTest, AnExpectationWithoutARowFails) {
  WriteRevision("aaaa", "steps { name: \"one\" expect_file: \"expect.sql\" }\n",
                {{"01_one.up.sql", "CREATE TABLE core.one (id int PRIMARY KEY);"},
                 {"01_one.down.sql", "DROP TABLE core.one;"},
                 {"expect.sql",
                  "SELECT 'V1', '0', count(*)::text FROM core.one;\n"
                  "SELECT 'V2', '1', id::text FROM core.one;"},
                 {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"}});
  const auto failed = Upgrade();
  EXPECT_THAT(failed,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("EXPECTATION_FAILED")));
  EXPECT_THAT(MessageOf(failed.status()), HasSubstr("expect.sql:2: expected a row, found no row"));
  EXPECT_FALSE(TableExists("core.one"));
}

TEST_F(VerifyTest, ExpectationsAreRecordedAndAMismatchRollsBack) {
  const auto write = [&](int expected) {
    WriteRevision(
        "aaaa", "steps { name: \"one\" expect_file: \"expect.sql\" }\n",
        {{"01_one.up.sql",
          "CREATE TABLE core.one (id int PRIMARY KEY);\nINSERT INTO core.one VALUES (1), (2);"},
         {"01_one.down.sql", "DROP TABLE core.one;"},
         {"expect.sql", "SELECT 'V1', '" + std::to_string(expected) +
                            "', count(*)::text FROM core.one;\nSELECT 'V2', NULL, NULL;"},
         {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"}});
  };
  write(3);
  const auto failed = Upgrade();
  EXPECT_THAT(failed,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("EXPECTATION_FAILED")));
  EXPECT_THAT(MessageOf(failed.status()), HasSubstr("V1: expected 3, found 2"));
  EXPECT_FALSE(TableExists("core.one"));

  write(2);
  ASSERT_OK_AND_ASSIGN(const RunReport report, Upgrade());
  EXPECT_THAT(report.verifications, SizeIs(3));
  EXPECT_EQ(
      db_.QueryText("SELECT string_agg(check_id || '=' || actual, ' ' ORDER BY result_id) FROM"
                    " migration.verification_results WHERE check_id LIKE 'V%'"),
      "V1=2 V2=NULL");
}

TEST_F(VerifyTest, UndoneRevisionsAreNotChecked) {
  WriteTable("aaaa");
  WriteTable("bbbb", "down_revision: \"aaaa\"\n");
  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa"));
  EXPECT_THAT(down.verifications, IsEmpty());

  ASSERT_OK_AND_ASSIGN(const VerifyReport report, NewEngine()->Verify(context_, sink_));
  EXPECT_THAT(report.results, SizeIs(2));
}

// aaaa goes through with a violation, then bbbb stops the run before it verifies.
class UnverifiedTest : public VerifyTest {
 protected:
  UnverifiedTest() {
    WriteRevision(
        "aaaa", "",
        {{"up.sql", "CREATE TABLE core.t (id int PRIMARY KEY);\nINSERT INTO core.t VALUES (-1);"},
         {"down.sql", "DROP TABLE core.t;"},
         {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"}});
    WriteBroken("ALTER TABLE core.none ADD COLUMN x int;");
  }
  void WriteBroken(const std::string& up) {
    WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                  {{"up.sql", up},
                   {"down.sql", "DROP TABLE core.other;"},
                   {"verify.sql", "SELECT id FROM core.other WHERE id < 0;"}});
  }
};

TEST_F(UnverifiedTest, NextRunVerifiesWhatAFailedOneDid) {
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  WriteBroken("CREATE TABLE core.other (id int PRIMARY KEY);");

  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_FAILED")));

  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_THAT(sink_.Messages("predecessor_unverified"), SizeIs(1));
  // Said once: from here on it is a matter of `verify`.
  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade());
  EXPECT_TRUE(again.nothing_to_do);
}

TEST_F(UnverifiedTest, AlsoWhenTheNextRunHasNothingElseToDo) {
  EXPECT_FALSE(Upgrade().ok());

  EXPECT_THAT(Upgrade("aaaa"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_FAILED")));
  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade("aaaa"));
  EXPECT_TRUE(again.nothing_to_do);
}

TEST_F(UnverifiedTest, WhoeverDoesNotWantToVerifyNeedNot) {
  EXPECT_FALSE(Upgrade().ok());

  ASSERT_OK_AND_ASSIGN(const RunReport report, Upgrade("aaaa", {.verify = false}));
  EXPECT_TRUE(report.nothing_to_do);
  EXPECT_FALSE(Upgrade("aaaa").ok());
}

class LockedVerifyTest : public VerifyTest {
 protected:
  LockedVerifyTest() {
    WriteTable("aaaa");
    EXPECT_THAT(Upgrade(), IsOk());
    pg::ConnectionOptions options;
    options.database_url = db_.url();
    auto opened = pg::Connection::Open(options);
    EXPECT_THAT(opened, IsOk());
    blocker_ = *std::move(opened);
    EXPECT_THAT(blocker_->Script("BEGIN; LOCK TABLE core.t_aaaa IN ACCESS EXCLUSIVE MODE;"),
                IsOk());
  }
  EngineOptions Impatient() const {
    EngineOptions options = Options();
    options.verify_lock_wait = absl::Milliseconds(200);
    return options;
  }
  std::unique_ptr<pg::Connection> blocker_;
};

TEST_F(LockedVerifyTest, ALockIsNoViolation) {
  const auto blocked = NewEngine(Impatient())->Verify(context_, sink_);

  EXPECT_THAT(blocked,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_BLOCKED")));
  EXPECT_EQ(ExitClassOf(blocked.status()), ExitClass::kBlocked);
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("aaaa verify.sql:2: 55P03"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.verification_results WHERE NOT passed"),
            "0");
  EXPECT_EQ(db_.QueryText("SELECT state FROM migration.runs WHERE kind = 'verify'"), "blocked");
}

TEST_F(LockedVerifyTest, AViolationCountsAlsoBesideALock) {
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "CREATE TABLE core.t_bbbb (id int PRIMARY KEY);"},
                 {"down.sql", "DROP TABLE core.t_bbbb;"},
                 {"verify.sql", "SELECT 1;"}});
  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_FAILED")));

  ASSERT_OK_AND_ASSIGN(const VerifyReport report, NewEngine(Impatient())->Verify(context_, sink_));

  EXPECT_EQ(report.failed, 1);
}

TEST_F(LockedVerifyTest, WaitsForALockThatIsHeldForAWhile) {
  EngineOptions options = Options();
  options.verify_lock_wait = absl::Seconds(20);
  std::thread releaser([&] {
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (db_.QueryText("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation ="
                         " 'core.t_aaaa'::regclass") == "0" &&
           absl::Now() < deadline) {
    }
    EXPECT_THAT(blocker_->Script("COMMIT"), IsOk());
  });

  const auto report = NewEngine(options)->Verify(context_, sink_);
  releaser.join();

  ASSERT_OK(report);
  EXPECT_EQ(report->failed, 0);
  EXPECT_THAT(report->results, SizeIs(2));
}

TEST_F(LockedVerifyTest, QueryThatTakesTooLongIsUndecided) {
  ASSERT_OK(blocker_->Script("COMMIT"));
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "CREATE TABLE core.t_bbbb (id int PRIMARY KEY);"},
                 {"down.sql", "DROP TABLE core.t_bbbb;"},
                 {"verify.sql", "SELECT 1 WHERE pg_sleep(60)::text = 'x';"}});
  EngineOptions options = Options();
  options.verify_timeout = absl::Milliseconds(100);

  const auto blocked = NewEngine(options)->Upgrade(context_, "head", {}, sink_);

  EXPECT_THAT(blocked,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_BLOCKED")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  // The next run tries again.
  EXPECT_THAT(NewEngine(options)->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("VERIFICATION_BLOCKED")));
}

}  // namespace
}  // namespace lockstep::migration
