// What the service says about going back: the plan, and what an archive keeps.
#include "gmock/gmock.h"
#include "tests/integration/services/migration/server_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;

class MigrationServerUndo : public ServerTest {
 protected:
  MigrationServerUndo() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.AddRevision("catalog", "abbb", "down_revision: \"aaaa\"\n");
    Start();
  }
  void UpgradeTo(const std::string& target) {
    const auto run = StartUpgrade(target);
    ASSERT_OK(run);
    ASSERT_EQ(Await(run->name())->state(), v1::RUN_STATE_SUCCEEDED);
  }
};

TEST_F(MigrationServerUndo, APlanShowsTheStateAndTheUndoThatWouldRun) {
  UpgradeTo("head");
  v1::AmendRequest amend;
  amend.set_revision("abbb");
  amend.set_reason("keeps the table");
  amend.set_down_sql("ALTER TABLE core.t_abbb RENAME TO t_kept;");
  ASSERT_OK(Call(*migration_, &Migration::Amend, amend));
  v1::PlanRequest request;
  request.set_target("base");
  request.set_direction(v1::DIRECTION_DOWN);

  ASSERT_OK_AND_ASSIGN(const auto plan, Call(*migration_, &Migration::Plan, request));

  ASSERT_EQ(plan.revisions_size(), 2);
  const v1::Revision& amended = plan.revisions(0).revision();
  EXPECT_EQ(amended.state(), v1::REVISION_STATE_APPLIED);
  EXPECT_TRUE(amended.steps(0).is_applied());
  EXPECT_THAT(amended.steps(0).down_sql(), HasSubstr("RENAME TO t_kept"));
  EXPECT_THAT(plan.revisions(1).revision().steps(0).down_sql(),
              HasSubstr("DROP TABLE core.t_aaaa"));
}

TEST_F(MigrationServerUndo, ArchivesArePagedRestoredAndPurged) {
  WriteRevision(
      "acbb", "down_revision: \"abbb\"\n",
      {{"up.sql", "CREATE TABLE core.x (id int PRIMARY KEY);\nCREATE TABLE core.y (id int);"},
       {"down.sql", "DROP TABLE core.y;\nDROP TABLE core.x;"},
       {"verify.sql", "SELECT id FROM core.x WHERE id < 0;"},
       {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.x;"}});
  UpgradeTo("head");
  db_.Execute("INSERT INTO core.x VALUES (1), (2); INSERT INTO core.y VALUES (1)");
  ASSERT_OK(Downgrade("abbb", {.archive = true}));
  UpgradeTo("head");
  db_.Execute("INSERT INTO core.x VALUES (2)");

  v1::ListArchivesRequest list;
  list.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto newest, Call(*migration_, &Migration::ListArchives, list));
  ASSERT_EQ(newest.archives_size(), 1);
  EXPECT_EQ(newest.archives(0).source(), "core.x");
  EXPECT_EQ(newest.archives(0).row_count(), 2);
  EXPECT_FALSE(newest.archives(0).has_restore_time());
  list.set_page_token(newest.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto older, Call(*migration_, &Migration::ListArchives, list));
  ASSERT_EQ(older.archives_size(), 1);
  EXPECT_EQ(older.archives(0).source(), "core.y");
  EXPECT_EQ(older.next_page_token(), "");

  v1::RestoreArchiveRequest restore;
  restore.set_name(newest.archives(0).name());
  restore.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const auto done, Call(*migration_, &Migration::RestoreArchive, restore));
  EXPECT_EQ(done.archive().restored_row_count(), 1);
  EXPECT_TRUE(done.archive().has_restore_time());
  EXPECT_EQ(done.run().kind(), "restore");
  EXPECT_EQ(done.run().state(), v1::RUN_STATE_SUCCEEDED);
  ASSERT_OK_AND_ASSIGN(const auto again, Call(*migration_, &Migration::RestoreArchive, restore));
  EXPECT_EQ(again.run().name(), done.run().name());
  restore.set_request_id(NewUuid());
  EXPECT_THAT(Call(*migration_, &Migration::RestoreArchive, restore),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ARCHIVE_RESTORED")));

  db_.Execute("UPDATE migration.archives SET expires_at = now() WHERE source = 'core.y'");
  ASSERT_OK_AND_ASSIGN(const auto purged,
                       Call(*migration_, &Migration::PurgeArchives, v1::PurgeArchivesRequest()));
  EXPECT_EQ(purged.purged_count(), 1);
}

}  // namespace
}  // namespace lockstep::migration
