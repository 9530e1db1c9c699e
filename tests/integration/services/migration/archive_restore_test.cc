// What `downgrade --archive` kept goes back through the engine, once, and says so.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/undo_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ArchiveRestoreTest : public UndoTest {
 protected:
  // Archives of columns of the parent (0), of the child (1) and of the parent (2).
  std::vector<ArchivedData> KeepEverything() {
    WriteTables();
    EXPECT_THAT(Upgrade(), IsOk());
    Fill();
    const auto down = Downgrade("base", {.archive = true});
    EXPECT_THAT(down, IsOk());
    return down.ok() ? down->archives : std::vector<ArchivedData>();
  }
  absl::StatusOr<ArchivedData> Restore(const ArchivedData& archived) {
    return NewEngine()->RestoreArchive(context_, archived.id, {}, sink_);
  }
};

TEST_F(ArchiveRestoreTest, NewestFirstBringsEverythingBackOnce) {
  const std::vector<ArchivedData> kept = KeepEverything();
  ASSERT_THAT(kept, SizeIs(3));
  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const auto listed, NewEngine()->ListArchives(context_, 10));
  ASSERT_THAT(listed, SizeIs(3));

  for (const ArchivedData& archived : listed) {
    ASSERT_OK_AND_ASSIGN(const ArchivedData restored, Restore(archived));
    EXPECT_EQ(restored.restored_rows, archived.row_count);
    EXPECT_TRUE(restored.restored_at.has_value());
  }

  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.child JOIN core.parent p ON p.id = parent"),
            "3");
  EXPECT_EQ(
      db_.QueryText("SELECT string_agg(coalesce(a::text, '-'), ' ' ORDER BY id) FROM core.parent"),
      "10 -");
  EXPECT_THAT(sink_.Messages("archive_restored"), SizeIs(3));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs WHERE kind = 'restore' AND state ="
                          " 'succeeded'"),
            "3");
  // Again it is refused, before a run is recorded.
  const auto again = Restore(kept[0]);
  EXPECT_THAT(again, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ARCHIVE_RESTORED")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs WHERE kind = 'restore'"), "3");
  EXPECT_TRUE(TableExists(kept[1].kept_as));
}

TEST_F(ArchiveRestoreTest, WaitsForTheRevision) {
  const std::vector<ArchivedData> kept = KeepEverything();
  ASSERT_THAT(kept, SizeIs(3));

  const auto refused = Restore(kept[2]);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                Reason("ARCHIVE_REVISION_NOT_APPLIED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("revision aaaa"));
  EXPECT_FALSE(TableExists("core.parent"));
}

TEST_F(ArchiveRestoreTest, WhatTheDatabaseRefusesChangesNothing) {
  const std::vector<ArchivedData> kept = KeepEverything();
  ASSERT_THAT(kept, SizeIs(3));
  ASSERT_OK(Upgrade());

  // The parents of these children are not back yet.
  const auto refused = Restore(kept[1]);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RESTORE_FAILED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("child_parent_fkey"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.child"), "0");
  ASSERT_OK_AND_ASSIGN(const ArchivedData still, NewEngine()->GetArchive(context_, kept[1].id));
  EXPECT_FALSE(still.restored_at.has_value());
}

TEST_F(ArchiveRestoreTest, ATableThatAnOlderProgramKeptComesBackAsWell) {
  const std::vector<ArchivedData> kept = KeepEverything();
  ASSERT_THAT(kept, SizeIs(3));
  ASSERT_OK(Upgrade());
  db_.Execute(
      "UPDATE migration.archives SET restore_sql = 'ALTER TABLE ' || kept_as ||"
      " ' SET SCHEMA core' WHERE kind = 'table'");

  EXPECT_THAT(Restore(kept[2]), IsOk());

  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.parent"), "2");
}

TEST_F(ArchiveRestoreTest, KnowsNoOther) {
  EXPECT_THAT(NewEngine()->RestoreArchive(context_, 7, {}, sink_),
              StatusIs(absl::StatusCode::kNotFound, Reason("ARCHIVE_NOT_FOUND")));
}

}  // namespace
}  // namespace lockstep::migration
