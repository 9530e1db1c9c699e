// What an archive cannot keep is said before anything is undone.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/undo_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;

class ArchiveAheadTest : public UndoTest {
 protected:
  // cccc comes after aaaa and bbbb and is undone first.
  void WriteNewest(const std::string& more = "", const std::string& first = "") {
    WriteRevision("cccc", "down_revision: \"bbbb\"\n" + more,
                  {{"up.sql", "CREATE TABLE core.newest (id int PRIMARY KEY);"},
                   {"down.sql", first + "DROP TABLE core.newest;"},
                   {"verify.sql", "SELECT id FROM core.newest WHERE id < 0;"},
                   {"guard.sql", "SELECT 'newest' AS what, count(*) AS count FROM core.newest;"}});
  }
  void ExpectRefusedAtOnce(const std::string& reason, const std::string& why) {
    const auto refused = Downgrade("aaaa", {.archive = true});
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason(reason)));
    EXPECT_THAT(MessageOf(refused.status()), HasSubstr(why));
    EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");
    EXPECT_TRUE(TableExists("core.newest"));
  }
  void DropParentKey() {
    db_.Execute(
        "ALTER TABLE core.child DROP CONSTRAINT child_parent_fkey; ALTER TABLE core.parent DROP "
        "CONSTRAINT parent_pkey");
  }
};

TEST_F(ArchiveAheadTest, ValuesWithoutAKey) {
  WriteTables();
  WriteNewest();
  ASSERT_OK(Upgrade());
  Fill();
  DropParentKey();

  ExpectRefusedAtOnce("ARCHIVE_IMPOSSIBLE", "no primary key");
}

TEST_F(ArchiveAheadTest, DataThatMayNotBeKept) {
  WriteTables("archive_forbidden_reason: \"card data may not be kept\"\n");
  WriteNewest();
  ASSERT_OK(Upgrade());
  Fill();

  ExpectRefusedAtOnce("ARCHIVE_FORBIDDEN", "card data may not be kept");
}

TEST_F(ArchiveAheadTest, AMigratorThatMayNotCreateSchemas) {
  WriteTables();
  WriteNewest();
  ASSERT_OK(Upgrade());
  Fill();
  db_.Execute(
      "DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM lockstep_migrator',"
      " current_database()); END $$");

  ExpectRefusedAtOnce("ARCHIVE_IMPOSSIBLE", "lockstep bootstrap");
}

TEST_F(ArchiveAheadTest, WhatAnEarlierUndoTakesAwayStandsInNobodysWay) {
  WriteTables();
  WriteNewest("destroys { table: \"core.parent\" key: \"id\" }\n", "DELETE FROM core.parent;\n");
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.parent (id, a) VALUES (1, 10)");
  DropParentKey();

  EXPECT_THAT(Downgrade("aaaa", {.archive = true}), IsOk());
}

}  // namespace
}  // namespace lockstep::migration
