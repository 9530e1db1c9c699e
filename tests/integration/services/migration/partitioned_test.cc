// Indexes of partitioned tables, built and dropped partition by partition.
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/partitioned_sql.h"
#include "tests/integration/services/migration/partitioned_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class PartitionedTest : public PartitionedFixture {
 protected:
  // As the owner of core would have made it.
  void ExecuteAsOwner(const std::string& sql) const {
    db_.Execute("SET ROLE catalog_owner; " + sql + "; RESET ROLE");
  }
};

TEST_F(PartitionedTest, EveryPartitionGetsItsPartAndTheUndoTakesAllOfThem) {
  ASSERT_OK(Upgrade());

  EXPECT_EQ(ValidParts(), kAllParts);
  EXPECT_EQ(CountIndexes(), "5");
  EXPECT_EQ(db_.QueryText("SELECT to_regclass('core." + PartIndexName("core.p_n_idx", "core.p_1") +
                          "') IS NOT NULL"),
            "t");
  EXPECT_EQ(Intents(), "0");
  EXPECT_THAT(sink_.Messages("partition_indexed"), SizeIs(4));

  ASSERT_OK(Downgrade("aaaa"));

  EXPECT_EQ(CountIndexes(), "0");
}

TEST_F(PartitionedTest, UniqueIndexesWithPredicatesKeepTheirDefinition) {
  WriteBuild(
      "create unique index concurrently if not exists p_n_idx on core.p (id, n desc)\n"
      "  include (n) where n > 0;");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(ValidParts(), kAllParts);
  EXPECT_EQ(CountIndexes("i.indisunique AND i.indpred IS NOT NULL AND i.indnatts = 3"), "5");
}

TEST_F(PartitionedTest, DuplicatesFailAndTheMendedDataGoesOn) {
  WriteBuild("CREATE UNIQUE INDEX CONCURRENTLY p_n_idx ON core.p (id, n);");
  db_.Execute("INSERT INTO core.p VALUES (1001, 2)");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  // Nothing invalid is left but the parents, which cost nothing.
  EXPECT_EQ(CountIndexes("c.relkind = 'i' AND NOT i.indisvalid"), "0");
  db_.Execute(
      "DELETE FROM core.p WHERE ctid IN (SELECT ctid FROM core.p_2b WHERE id = 1001"
      " LIMIT 1) AND id = 1001 AND n = 2");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(ValidParts(), kAllParts);
}

TEST_F(PartitionedTest, WhatFailedHalfWayGoesWithADowngrade) {
  WriteBuild("CREATE UNIQUE INDEX CONCURRENTLY p_n_idx ON core.p (id, n);");
  db_.Execute("INSERT INTO core.p VALUES (1001, 2)");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));

  ASSERT_OK(Downgrade("aaaa"));

  EXPECT_EQ(CountIndexes(), "0");
  EXPECT_EQ(Intents(), "0");
}

TEST_F(PartitionedTest, PartitionsMadeMeanwhileAndPartsLeftInvalidConverge) {
  // As a runner leaves it that was killed in the build of a part: the intent is that of a step that
  // failed.
  WriteBuild(
      "CREATE INDEX CONCURRENTLY p_n_idx ON core.p (n);\n"
      "CREATE INDEX CONCURRENTLY p_none_idx ON core.p (none);",
      "DROP INDEX CONCURRENTLY core.p_none_idx;\nDROP INDEX CONCURRENTLY core.p_n_idx;");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  const std::string part = PartIndexName("core.p_n_idx", "core.p_1");
  db_.Execute("DROP INDEX core.p_n_idx");
  ExecuteAsOwner(
      "CREATE INDEX p_n_idx ON ONLY core.p (n);"
      "CREATE INDEX " +
      part +
      " ON core.p_1 (n);"
      "CREATE TABLE core.p_3 PARTITION OF core.p FOR VALUES FROM (2000) TO (3000)");
  db_.Execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'core." + part +
              "'::regclass");
  WriteBuild("CREATE INDEX CONCURRENTLY p_n_idx ON core.p (n);");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(ValidParts(), std::string(kAllParts) + " core.p_3");
  EXPECT_EQ(CountIndexes(), "6");
  EXPECT_THAT(sink_.Messages("index_resumed"), Contains(HasSubstr(part)));
}

TEST_F(PartitionedTest, ParentThatWaitsForAPartitionThatWentIsValidatedAgain) {
  WriteBuild(
      "CREATE INDEX CONCURRENTLY p_n_idx ON core.p (n);\n"
      "CREATE INDEX CONCURRENTLY p_none_idx ON core.p (none);",
      "DROP INDEX CONCURRENTLY core.p_none_idx;\nDROP INDEX CONCURRENTLY core.p_n_idx;");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  db_.Execute("DROP INDEX core.p_n_idx");
  ExecuteAsOwner(
      "CREATE INDEX p_n_idx ON ONLY core.p (n); CREATE INDEX one ON core.p_1 (n);"
      "ALTER INDEX core.p_n_idx ATTACH PARTITION core.one; DROP TABLE core.p_2");
  EXPECT_EQ(ValidParts(), "core.p_1");
  WriteBuild("CREATE INDEX CONCURRENTLY p_n_idx ON core.p (n);");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(ValidParts(), "core.p core.p_1");
}

TEST_F(PartitionedTest, InvalidParentOfSomebodyElseIsLeftAlone) {
  ExecuteAsOwner("CREATE INDEX p_n_idx ON ONLY core.p (n)");

  const auto refused = Upgrade();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("was not made by this step"));
  EXPECT_EQ(CountIndexes("NOT i.indisvalid"), "1");
}

TEST_F(PartitionedTest, ThePlanSaysWhatItLocks) {
  ASSERT_OK_AND_ASSIGN(const PlanReport up, NewEngine()->PlanFor(context_, Direction::kUp, "head"));
  ASSERT_EQ(up.notes.size(), 1U);
  EXPECT_EQ(up.notes[0].kind, "partitioned");
  EXPECT_EQ(up.notes[0].table, "core.p");
  EXPECT_THAT(up.notes[0].what, HasSubstr("3 partitions of core.p"));
  ASSERT_OK(Upgrade());

  ASSERT_OK_AND_ASSIGN(const PlanReport down,
                       NewEngine()->PlanFor(context_, Direction::kDown, "aaaa"));

  ASSERT_EQ(down.notes.size(), 1U);
  EXPECT_THAT(down.notes[0].what, HasSubstr("ACCESS EXCLUSIVE on core.p and its 3 partitions"));
}

TEST_F(PartitionedTest, TheDropWaitsInNobodysWay) {
  ASSERT_OK(Upgrade());
  pg::ConnectionOptions options;
  options.database_url = db_.url();
  ASSERT_OK_AND_ASSIGN(const auto reader, pg::Connection::Open(options));
  ASSERT_OK(reader->Script("BEGIN; SELECT count(*) FROM core.p_2b;"));
  absl::SleepFor(2 * kIdleFor);
  absl::StatusOr<RunReport> report;
  std::thread runner([&] { report = Downgrade("aaaa"); });
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (sink_.Messages("step_blocked").empty() && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(5));
  }

  EXPECT_THAT(sink_.Messages("step_blocked"), Contains(HasSubstr("core.p_2b")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_locks WHERE NOT granted AND database ="
                          " (SELECT oid FROM pg_database WHERE datname = current_database())"),
            "0");
  EXPECT_THAT(reader->Script("COMMIT"), IsOk());
  runner.join();

  EXPECT_THAT(report, IsOk());
  EXPECT_EQ(CountIndexes(), "0");
}

}  // namespace
}  // namespace lockstep::migration
