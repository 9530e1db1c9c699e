// Folders in, folders out.
#include "services/migration/importer/importer.h"

#include <filesystem>
#include <fstream>

#include "common/status/error.h"
#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/files.h"
#include "tests/unit/services/migration/folder.h"
#include "tests/unit/services/migration/importer/planted_history.h"

namespace lockstep::migration {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ImporterTest : public ::testing::Test {
 protected:
  void Plant(const std::string& file, const std::string& text) const {
    const fs::path path = fs::path(source_.root()) / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  ImportOptions Options() const {
    ImportOptions options;
    options.folder = source_.root();
    options.service = "orders";
    options.target = target_.root();
    options.today = absl::CivilDay(2026, 1, 2);
    return options;
  }
  absl::StatusOr<ImportReport> Import() const { return ImportHistory(Options()); }
  std::string Read(const std::string& file) const {
    return ReadWholeFile(target_.root() + "/" + file).value_or("(missing)");
  }

  MigrationsFolder source_;
  MigrationsFolder target_;
};

TEST_F(ImporterTest, WritesAFolderThatLoads) {
  Plant("000001_create users.up.sql", "CREATE TABLE users (id int PRIMARY KEY);\n");
  Plant("000001_create users.down.sql", "DROP TABLE users;\n");
  Plant("000002_no_way_back.up.sql", "ALTER TABLE users ADD name text;\n");
  Plant("000002_no_way_back.down.sql", "-- nothing\n");
  ASSERT_OK_AND_ASSIGN(const ImportReport report, Import());
  EXPECT_TRUE(report.was_written);
  EXPECT_THAT(report.problems, IsEmpty());
  const LoadResult loaded = target_.Inspect();
  EXPECT_THAT(TextsOf(loaded.problems), IsEmpty());
  const auto& revisions = loaded.definitions.revisions;
  ASSERT_EQ(revisions.size(), 3U);
  EXPECT_EQ(revisions[0].id, "migrate_orders_import_access");
  EXPECT_EQ(revisions[1].id, "migrate_orders_000001");
  EXPECT_EQ(revisions[1].title, "create users");
  EXPECT_EQ(revisions[1].phase, Phase::kLegacy);
  EXPECT_THAT(revisions[1].down_revision, ElementsAre("migrate_orders_import_access"));
  EXPECT_THAT(revisions[1].search_path, ElementsAre("$user", "public"));
  EXPECT_EQ(revisions[1].irreversible_reason, "");
  EXPECT_THAT(revisions[2].irreversible_reason,
              HasSubstr("no_way_back.down.sql holds no statement"));
}

TEST_F(ImporterTest, AddsOnlyWhatIsNew) {
  Plant("1_a.up.sql", "SELECT 1;");
  ASSERT_OK(Import().status());
  const std::string before = Read("orders/migrate_orders_1_a/revision.textproto");
  EXPECT_THAT(before, HasSubstr("created: \"2026-01-02\""));
  Plant("20240305060708_b.up.sql", "SELECT 2;");
  ImportOptions later = Options();
  later.today = absl::CivilDay(2027, 1, 1);
  ASSERT_OK_AND_ASSIGN(const ImportReport report, ImportHistory(later));
  EXPECT_FALSE(report.revisions[1].is_new);
  EXPECT_TRUE(report.revisions[2].is_new);
  EXPECT_EQ(Read("orders/migrate_orders_1_a/revision.textproto"), before);
  const std::string added = Read("orders/migrate_orders_20240305060708_b/revision.textproto");
  EXPECT_THAT(added, HasSubstr("down_revision: \"migrate_orders_1\"\ncreated: \"2024-03-05\""));
}

TEST_F(ImporterTest, RefusesAChangedHistory) {
  Plant("1_a.up.sql", "SELECT 1;");
  ASSERT_OK(Import().status());
  Plant("1_a.up.sql", "SELECT 2;");
  Plant("2_b.up.sql", "SELECT 3;");
  const auto again = Import();
  EXPECT_EQ(ReasonOf(again.status()), "IMPORT_DIFFERS");
  EXPECT_THAT(MessageOf(again.status()), HasSubstr("orders/migrate_orders_1_a <- 1_a.up.sql"));
  EXPECT_EQ(Read("orders/migrate_orders_2_b/up.sql"), "(missing)");
}

TEST_F(ImporterTest, WritesNothingWhenSomethingCannotBeCarriedOver) {
  Plant("1_a.up.sql", "SELECT 1;");
  Plant("2_b.up.sql", "SELECT 1;\nSET ROLE postgres;\nCREATE TABLE core.x (i int);\n");
  ASSERT_OK_AND_ASSIGN(const ImportReport report, Import());
  EXPECT_FALSE(report.was_written);
  EXPECT_THAT(TextsOf(report.problems),
              ElementsAre("2_b.up.sql:2 SQL_ENGINE_SETTING", "2_b.up.sql:3 SQL_FOREIGN_SCHEMA"));
  EXPECT_EQ(Read("orders/migrate_orders_1_a/up.sql"), "(missing)");
}

TEST_F(ImporterTest, GivesOneUndoForSeveralSteps) {
  Plant("1_a.up.sql",
        "CREATE TABLE t (i int);\nCREATE INDEX CONCURRENTLY x ON t (i);\nCOPY t FROM "
        "stdin;\n1\n\\.\n");
  Plant("1_a.down.sql", "DROP INDEX CONCURRENTLY x;\nDROP TABLE t;\n");
  ASSERT_OK(Import().status());
  const LoadResult loaded = target_.Inspect();
  ASSERT_THAT(TextsOf(loaded.problems), IsEmpty());
  const Revision& revision = loaded.definitions.revisions.back();
  // Three steps up; the table goes with the last of them, the index before.
  ASSERT_EQ(revision.steps.size(), 4U);
  EXPECT_EQ(revision.steps[1].kind, StepKind::kNonTransactional);
  EXPECT_EQ(revision.steps[2].copy_data, "1\n");
  EXPECT_THAT(revision.steps[2].down.statements, ElementsAre("DROP TABLE t"));
  EXPECT_TRUE(revision.steps[3].up.empty());
  EXPECT_THAT(revision.steps[3].down.statements,
              ElementsAre("DROP INDEX CONCURRENTLY \"public\".x"));
}

TEST_F(ImporterTest, MakesIdsOfOddVersions) {
  ImportOptions options = Options();
  options.history.format = HistoryFormat::kSqitch;
  options.history.schemas = {"shop", "public"};
  Plant("sqitch.plan",
        "Über/user-list 2024-01-01T00:00:00Z A <a@x>\n@v1.0 2024-01-01T00:00:00Z A <a@x>\n");
  Plant("deploy/Über/user-list.sql", "SELECT 1;");
  ASSERT_OK_AND_ASSIGN(const ImportReport report, ImportHistory(options));
  ASSERT_TRUE(report.was_written);
  const Revision revision = target_.Inspect().definitions.revisions.back();
  EXPECT_THAT(revision.id, ::testing::MatchesRegex("sqitch_orders___ber_user_list_[0-9a-f]{8}"));
  EXPECT_EQ(revision.title, "Über/user-list");
  ASSERT_EQ(revision.aliases.size(), 1U);
  EXPECT_THAT(revision.aliases[0], HasSubstr("sqitch_orders_tag_v1_0_"));
  EXPECT_THAT(revision.search_path, ElementsAre("$user", "shop", "public"));
}

TEST_F(ImporterTest, ContinuesFromTheHeadOfTheService) {
  target_.AddRevision("orders", "aaaa");
  Plant("1_a.up.sql", "SELECT 1;");
  ASSERT_OK(Import().status());
  EXPECT_THAT(Read("orders/migrate_orders_import_access/revision.textproto"),
              HasSubstr("down_revision: \"aaaa\""));
}

}  // namespace
}  // namespace lockstep::migration
