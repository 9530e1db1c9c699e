// Backups and restores on a database of the test's own, with the real pg_dump.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/backup/backup.h"
#include "services/migration/engine/run/backup/backup_file.h"
#include "services/migration/engine/run/backup/restore.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BackupTest : public EngineTest {
 protected:
  BackupTest() {
    std::string folder = "/tmp/lockstep-backup-XXXXXX";
    if (mkdtemp(folder.data()) != nullptr) home_ = folder;
    WriteRevision("aaaa", "",
                  {{"up.sql", "CREATE TABLE core.kept (id int PRIMARY KEY);"},
                   {"down.sql", "DROP TABLE core.kept;"},
                   {"verify.sql", "SELECT 1 WHERE false;"}});
    EXPECT_THAT(Upgrade(), IsOk());
    db_.Execute("INSERT INTO core.kept SELECT generate_series(1, 7)");
  }
  ~BackupTest() override { std::filesystem::remove_all(home_); }

  std::string File() const { return home_ + "/a.dump"; }
  absl::StatusOr<BackupInfo> Take() {
    const auto engine = NewEngine();
    return TakeBackup(context_, *engine, File(), sink_, [](std::int64_t) {});
  }
  absl::StatusOr<RestoreReport> Restore(RestoreOptions options) {
    const auto engine = NewEngine();
    options.file = File();
    return RestoreBackup(context_, *engine, options, [](std::int64_t) {});
  }
  std::string Count(const std::string& from) const {
    return db_.QueryText("SELECT count(*) FROM " + from);
  }

  std::string home_;
};

TEST_F(BackupTest, ComesBackWithEverythingAndVoidLeases) {
  ASSERT_OK_AND_ASSIGN(const BackupInfo made, Take());
  EXPECT_EQ(made.bytes, static_cast<std::int64_t>(std::filesystem::file_size(File())));
  EXPECT_EQ(made.heads, "catalog@aaaa");
  EXPECT_THAT(FileSha256(File()), ::lockstep::testing::IsOkAndHolds(made.sha256));
  EXPECT_FALSE(std::filesystem::exists(File() + ".partial"));
  ASSERT_OK_AND_ASSIGN(const auto listed, ListBackups(context_, *NewEngine(), 10));
  ASSERT_THAT(listed, SizeIs(1));
  // What came after: another revision, and rows that are gone.
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "CREATE VIEW core.later AS SELECT id FROM core.kept;"},
                 {"down.sql", "DROP VIEW core.later;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("DELETE FROM core.kept");

  EXPECT_THAT(Restore({}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("DATABASE_NOT_EMPTY")));
  EXPECT_EQ(Count("core.kept"), "0");
  ASSERT_OK_AND_ASSIGN(const RestoreReport restored, Restore({.replace = true}));

  EXPECT_THAT(restored.current.heads, ElementsAre("catalog@aaaa"));
  EXPECT_EQ(Count("core.kept"), "7");
  EXPECT_FALSE(TableExists("core.later"));
  EXPECT_EQ(Count("migration.runner_sessions"), "0");
  EXPECT_EQ(db_.QueryText("SELECT expires_at FROM migration.lease"), "-infinity");
  EXPECT_EQ(Count("migration.runs WHERE kind = 'restore' AND state = 'succeeded'"), "1");
  EXPECT_EQ(Count("migration.runs WHERE state IN ('waiting', 'running')"), "0");
  // The migrator goes on.
  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
}

TEST_F(BackupTest, RefusesAFileThatIsThere) {
  ASSERT_OK(Take());
  EXPECT_THAT(Take(), StatusIs(absl::StatusCode::kAlreadyExists, Reason("BACKUP_FILE_EXISTS")));
}

TEST_F(BackupTest, RefusesATamperedFile) {
  ASSERT_OK(Take());
  std::fstream(File(), std::ios::in | std::ios::out | std::ios::binary).seekp(100).put('!');
  EXPECT_THAT(Restore({.replace = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("CHECKSUM_MISMATCH")));
  EXPECT_EQ(Count("core.kept"), "7");
}

TEST_F(BackupTest, RefusesWhatIsNoBackup) {
  std::ofstream(File()) << "hello";
  ASSERT_OK_AND_ASSIGN(const std::string sum, FileSha256(File()));
  EXPECT_THAT(Restore({.checksum = sum, .replace = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("BACKUP_NOT_OURS")));
}

TEST_F(BackupTest, RefusesWhileAnInstanceLives) {
  ASSERT_OK(Take());
  const auto engine = NewEngine();
  ASSERT_OK(engine->Register(context_, {.id = "c-1",
                                        .service = "catalog",
                                        .build = "1.0.0",
                                        .required_revision = "aaaa",
                                        .built_for = "aaaa",
                                        .address = "host:1"}));
  const auto refused = Restore({.replace = true});
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("REQUIRED_BY_INSTANCE")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("catalog c-1 (host:1)"));
}

TEST_F(BackupTest, RefusesToTakeAViewOfOthersAlong) {
  ASSERT_OK(Take());
  db_.Execute("CREATE SCHEMA reports; CREATE VIEW reports.v AS SELECT id FROM core.kept");
  const auto refused = Restore({.replace = true});
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("FOREIGN_DEPENDENTS")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("reports.v"));
  EXPECT_EQ(Count("reports.v"), "7");
}

TEST_F(BackupTest, WhatFailsHalfWayChangesNothing) {
  // Made of a table that the target has as well, in a schema that stays.
  db_.Execute(
      "CREATE TABLE public.both (id int); GRANT SELECT ON public.both TO lockstep_migrator");
  ASSERT_OK(Take());
  EXPECT_THAT(Restore({.replace = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RESTORE_FAILED")));
  EXPECT_EQ(Count("core.kept"), "7");
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(BackupTest, ACancelledOneLeavesNothing) {
  // pg_dump waits for this table until it is told to end.
  const std::string url = db_.url();
  pg::ConnectionOptions options;
  options.database_url = url;
  ASSERT_OK_AND_ASSIGN(const auto holder, pg::Connection::Open(options));
  ASSERT_OK(holder->Script("BEGIN; LOCK TABLE core.kept IN ACCESS EXCLUSIVE MODE"));
  const Context context = Context::WithTimeout(absl::Seconds(30));
  std::thread canceller([&] {
    for (int i = 0; i < 500 && !std::filesystem::exists(File() + ".partial"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    context.Cancel();
  });
  const auto engine = NewEngine();
  const auto taken = TakeBackup(context, *engine, File(), sink_, [](std::int64_t) {});
  canceller.join();
  EXPECT_THAT(taken, StatusIs(absl::StatusCode::kCancelled));
  ASSERT_OK(holder->Script("ROLLBACK"));
  EXPECT_TRUE(std::filesystem::is_empty(home_));
  EXPECT_EQ(Count("migration.backups"), "0");
  EXPECT_EQ(Count("migration.runs WHERE kind = 'backup' AND state = 'cancelled'"), "1");
}

TEST_F(BackupTest, PlanSaysThatNoRestorePointsAreWritten) {
  folder_.Write("catalog/cccc_x/revision.textproto",
                "id: \"cccc\"\ntitle: \"T\"\nservice: \"catalog\"\ncreated: \"2025-10-01\"\n"
                "phase: PHASE_CONTRACT\ndown_revision: \"aaaa\"\n");
  folder_.Write("catalog/cccc_x/up.sql", "ALTER TABLE core.kept ADD COLUMN b int;");
  folder_.Write("catalog/cccc_x/down.sql", "ALTER TABLE core.kept DROP COLUMN b;");
  folder_.Write("catalog/cccc_x/verify.sql", "SELECT 1 WHERE false;");
  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kUp, "head"));
  ASSERT_THAT(plan.notes, SizeIs(1));
  EXPECT_EQ(plan.notes[0].kind, "restore_point");
  EXPECT_THAT(plan.notes[0].what, HasSubstr("no WAL archive"));
  ASSERT_OK(Upgrade());
  EXPECT_THAT(sink_.Messages("restore_point"), IsEmpty());
}

}  // namespace
}  // namespace lockstep::migration
