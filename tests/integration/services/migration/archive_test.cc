// `--archive`: what an undo takes is kept, and comes back.
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

using ArchiveTest = UndoTest;

TEST_F(ArchiveTest, ArchiveKeepsColumnsByKeyAndTablesWhole) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();

  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));

  ASSERT_THAT(down.archives, SizeIs(3));
  EXPECT_EQ(down.archives[0].kind, "columns");
  EXPECT_EQ(down.archives[0].row_count, 2);
  EXPECT_EQ(db_.QueryText("SELECT string_agg(id || ':' || coalesce(a::text, '-') || ':' || b, ' ' "
                          "ORDER BY id) FROM " +
                          down.archives[0].kept_as),
            "1:10:7 2:-:7");
  EXPECT_EQ(down.archives[1].source, "core.child");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM " + down.archives[1].kept_as), "3");
  EXPECT_FALSE(TableExists("core.child"));
  EXPECT_FALSE(TableExists("core.parent"));
  EXPECT_EQ(AppliedText(), "");

  // The kept tables do not get in the way of a new start, and their rows go back into the new ones.
  ASSERT_OK(Upgrade());
  for (const std::size_t i : {2U, 1U, 0U}) db_.Execute(down.archives[i].restore_sql);
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.child JOIN core.parent p ON p.id = parent"),
            "3");
  EXPECT_EQ(
      db_.QueryText("SELECT string_agg(coalesce(a::text, '-'), ' ' ORDER BY id) FROM core.parent"),
      "10 -");
  EXPECT_EQ(db_.QueryText("INSERT INTO core.child (parent) VALUES (1) RETURNING id"), "4");
  EXPECT_EQ(
      db_.QueryText("SELECT count(*) FROM pg_constraint WHERE conrelid = 'core.child'::regclass"
                    " AND contype = 'f'"),
      "1");
  EXPECT_TRUE(TableExists(down.archives[1].kept_as));
}

TEST_F(ArchiveTest, RestoredRowsLeaveAloneWhatCameSince) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.parent (id, name) VALUES (2, 'newer')");

  db_.Execute(down.archives[2].restore_sql);

  EXPECT_EQ(db_.QueryText("SELECT string_agg(name, ' ' ORDER BY id) FROM core.parent"),
            "one newer");
}

TEST_F(ArchiveTest, RestoredColumnsMayBeGeneratedOrIdentities) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write("catalog/aaaa_x/up.sql", "CREATE TABLE core.t_aaaa (id int PRIMARY KEY);\n");
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql",
                  "ALTER TABLE core.t_aaaa ADD COLUMN n int, ADD COLUMN twice int GENERATED ALWAYS"
                  " AS (n * 2) STORED, ADD COLUMN number int GENERATED ALWAYS AS IDENTITY;"},
                 {"down.sql",
                  "ALTER TABLE core.t_aaaa DROP COLUMN twice, DROP COLUMN n, DROP COLUMN number;"},
                 {"verify.sql", "SELECT id FROM core.t_aaaa WHERE n < 0;"},
                 {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t_aaaa;"}});
  ASSERT_OK(Upgrade());
  db_.Execute(
      "INSERT INTO core.t_aaaa (id, n, number) OVERRIDING SYSTEM VALUE VALUES (1, 5, 70), "
      "(2, 6, 80)");
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa", {.archive = true}));
  ASSERT_OK(Upgrade());

  db_.Execute(down.archives[0].restore_sql);

  EXPECT_EQ(db_.QueryText("SELECT string_agg(concat_ws(':', id, n, twice, number), ' ' ORDER BY "
                          "id) FROM core.t_aaaa"),
            "1:5:10:70 2:6:12:80");
  EXPECT_EQ(db_.QueryText("INSERT INTO core.t_aaaa (id) VALUES (3) RETURNING number"), "81");
  EXPECT_EQ(db_.QueryText("SELECT attidentity FROM pg_attribute WHERE attname = 'number' AND"
                          " attrelid = 'core.t_aaaa'::regclass"),
            "a");
}

TEST_F(ArchiveTest, TablesThatGoTogetherMayReferToEachOther) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.a (id int PRIMARY KEY);\n"
                  "CREATE TABLE core.b (id int PRIMARY KEY, a int REFERENCES core.a);\n"},
                 {"down.sql", "DROP TABLE core.a, core.b;\n"},
                 {"verify.sql", "SELECT id FROM core.a WHERE id < 0;"},
                 {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.a;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.a VALUES (1)");

  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));

  EXPECT_THAT(down.archives, SizeIs(1));
  EXPECT_FALSE(TableExists("core.b"));
}

TEST_F(ArchiveTest, CascadeTakesTheViewsOfATableThatIsKept) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.a (id int PRIMARY KEY);\n"
                  "CREATE VIEW core.v AS SELECT id FROM core.a;\n"},
                 {"down.sql", "DROP TABLE core.a CASCADE;\n"},
                 {"verify.sql", "SELECT id FROM core.a WHERE id < 0;"},
                 {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.a;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.a VALUES (1)");

  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));

  EXPECT_THAT(down.archives, SizeIs(1));
  EXPECT_FALSE(TableExists("core.v"));
}

TEST_F(ArchiveTest, RestoredColumnsHaveTheirValues) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa", {.archive = true}));
  ASSERT_OK(Upgrade());

  db_.Execute(down.archives[0].restore_sql);

  EXPECT_EQ(
      db_.QueryText("SELECT string_agg(coalesce(a::text, '-'), ' ' ORDER BY id) FROM core.parent"),
      "10 -");
}

TEST_F(ArchiveTest, ColumnsWithoutKeyCannotBeArchived) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();
  db_.Execute(
      "ALTER TABLE core.child DROP CONSTRAINT child_parent_fkey; ALTER TABLE core.parent DROP "
      "CONSTRAINT parent_pkey");

  const auto refused = Downgrade("aaaa", {.archive = true});

  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ARCHIVE_IMPOSSIBLE")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("no primary key"));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_EQ(
      db_.QueryText("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'migration_archive%'"),
      "0");
}

TEST_F(ArchiveTest, ArchivingCanBeForbidden) {
  WriteTables("archive_forbidden_reason: \"card data may not be kept\"\n");
  ASSERT_OK(Upgrade());
  Fill();

  const auto refused = Downgrade("aaaa", {.archive = true});

  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ARCHIVE_FORBIDDEN")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("card data may not be kept"));
}

TEST_F(ArchiveTest, DeclaredRowsAreArchived) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write("catalog/aaaa_x/up.sql", "CREATE TABLE core.t_aaaa (id int PRIMARY KEY, n int);\n");
  folder_.Write("catalog/aaaa_x/verify.sql", "SELECT id FROM core.t_aaaa WHERE n < 0;\n");
  WriteRevision(
      "bbbb",
      "down_revision: \"aaaa\"\n"
      "destroys { table: \"core.t_aaaa\" key: \"id\" where: \"n > 1\" }\n"
      "destroys { table: \"core.t_aaaa\" key: \"id\" columns: \"n\" }\n",
      {{"up.sql", "INSERT INTO core.t_aaaa VALUES (1, 1), (2, 2), (3, 3);"},
       {"down.sql", "DELETE FROM core.t_aaaa WHERE n > 1;\nUPDATE core.t_aaaa SET n = 0;"},
       {"verify.sql", "SELECT id FROM core.t_aaaa WHERE n IS NULL;"},
       {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t_aaaa WHERE n > 1;"}});
  ASSERT_OK(Upgrade());

  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa", {.archive = true}));

  ASSERT_THAT(down.archives, SizeIs(2));
  EXPECT_EQ(db_.QueryText("SELECT sum(n) FROM " + down.archives[0].kept_as), "5");
  EXPECT_EQ(db_.QueryText("SELECT sum(n) FROM " + down.archives[1].kept_as), "6");
  db_.Execute(down.archives[0].restore_sql);
  db_.Execute(down.archives[1].restore_sql);
  EXPECT_EQ(db_.QueryText("SELECT sum(n) FROM core.t_aaaa"), "6");
}

TEST_F(ArchiveTest, RowsAreKeptBeforeAStepDeletesThemFromATableThatGoes) {
  WriteRevision("aaaa", "steps { name: \"table\" }\nsteps { name: \"rows\" }\n",
                {{"01_table.up.sql", "CREATE TABLE core.t (id int PRIMARY KEY, n int);"},
                 {"01_table.down.sql", "DROP TABLE core.t;"},
                 {"02_rows.up.sql", "INSERT INTO core.t VALUES (1, 1), (2, 2);"},
                 {"02_rows.down.sql", "DELETE FROM core.t;"},
                 {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"},
                 {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t;"}});
  ASSERT_OK(Upgrade());

  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));

  ASSERT_THAT(down.archives, SizeIs(1));
  EXPECT_EQ(db_.QueryText("SELECT sum(n) FROM " + down.archives[0].kept_as), "3");
}

TEST_F(ArchiveTest, WhatHiddenCodeDestroysCannotBeArchivedUndeclared) {
  const auto write = [&](const std::string& destroys) {
    folder_.AddRevision("catalog", "aaaa");
    folder_.Write("catalog/aaaa_x/up.sql", "CREATE TABLE core.t_aaaa (id int PRIMARY KEY);");
    WriteRevision(
        "bbbb", "down_revision: \"aaaa\"\n" + destroys,
        {{"up.sql", "INSERT INTO core.t_aaaa VALUES (1);"},
         {"down.sql", "DO $$ BEGIN DELETE FROM core.t_aaaa; END $$;"},
         {"verify.sql", "SELECT id FROM core.t_aaaa WHERE id < 0;"},
         {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t_aaaa WHERE id > 0;"}});
  };
  write("");
  ASSERT_OK(Upgrade());

  const auto refused = Downgrade("aaaa", {.archive = true});

  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ARCHIVE_IMPOSSIBLE")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("declares nothing under destroys"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.t_aaaa"), "1");

  // A guard that finds nothing says that nothing is destroyed.
  db_.Execute("UPDATE core.t_aaaa SET id = -1");
  EXPECT_THAT(Downgrade("aaaa", {.archive = true}), IsOk());

  write("destroys { table: \"core.t_aaaa\" key: \"id\" }\n");
  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa", {.archive = true}));
  EXPECT_THAT(down.archives, SizeIs(1));
}

TEST_F(ArchiveTest, TableThatOthersReferToIsNotMovedAway) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();
  db_.Execute(
      "CREATE TABLE core.extra (id int REFERENCES core.parent); ALTER TABLE core.extra OWNER TO "
      "catalog_owner");

  const auto refused = Downgrade("base", {.archive = true});

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("core.extra"));
  EXPECT_TRUE(TableExists("core.child"));
}

TEST_F(ArchiveTest, RestoredRowsFitATableThatGrew) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write(
      "catalog/aaaa_x/up.sql",
      "CREATE TABLE core.t_aaaa (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS "
      "(n * 2) STORED);\n");
  WriteRevision("bbbb",
                "down_revision: \"aaaa\"\ndestroys { table: \"core.t_aaaa\" key: \"id\" }\n",
                {{"up.sql", "INSERT INTO core.t_aaaa VALUES (1, 1), (2, 2);"},
                 {"down.sql", "DELETE FROM core.t_aaaa;"},
                 {"verify.sql", "SELECT id FROM core.t_aaaa WHERE id < 0;"}});
  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa", {.archive = true}));
  ASSERT_THAT(down.archives, SizeIs(1));
  db_.Execute("ALTER TABLE core.t_aaaa DROP COLUMN twice, ADD COLUMN later text");

  db_.Execute(down.archives[0].restore_sql);

  EXPECT_EQ(db_.QueryText("SELECT sum(n) FROM core.t_aaaa"), "3");
}

TEST_F(ArchiveTest, OfPartitionedTablesTheRowsAreCopied) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.log (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS"
                  " (n * 2) STORED) PARTITION BY RANGE (id);\n"
                  "CREATE TABLE core.log_1 PARTITION OF core.log FOR VALUES FROM (0) TO (100);\n"
                  "CREATE TABLE core.log_2 PARTITION OF core.log FOR VALUES FROM (100) TO (200);"},
                 {"down.sql", "DROP TABLE core.log_1;\nDROP TABLE core.log;"},
                 {"verify.sql", "SELECT id FROM core.log WHERE id < 0;"},
                 {"guard.sql", "SELECT 'lines' AS what, count(*) AS count FROM core.log;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.log VALUES (1, 10), (101, 20)");

  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));

  // The parent's copy has the rows of the partitions.
  ASSERT_THAT(down.archives, SizeIs(1));
  EXPECT_EQ(down.archives[0].kind, "table");
  EXPECT_EQ(down.archives[0].row_count, 2);
  EXPECT_FALSE(TableExists("core.log"));
  ASSERT_OK(Upgrade());
  db_.Execute(down.archives[0].restore_sql);
  EXPECT_EQ(db_.QueryText("SELECT string_agg(concat_ws(':', id, twice, tableoid::regclass), ' ' "
                          "ORDER BY id) FROM core.log"),
            "1:20:core.log_1 101:40:core.log_2");
}

TEST_F(ArchiveTest, TheRowsOfAPartitionThatGoesAloneAreCopied) {
  WriteRevision("aaaa", "",
                {{"up.sql", "CREATE TABLE core.log (id int) PARTITION BY RANGE (id);"},
                 {"down.sql", "DROP TABLE core.log;"},
                 {"verify.sql", "SELECT id FROM core.log WHERE id < 0;"}});
  WriteRevision(
      "bbbb", "down_revision: \"aaaa\"\n",
      {{"up.sql", "CREATE TABLE core.log_1 PARTITION OF core.log FOR VALUES FROM (0) TO (100);"},
       {"down.sql", "DROP TABLE core.log_1;"},
       {"verify.sql", "SELECT id FROM core.log_1 WHERE id < 0;"},
       {"guard.sql", "SELECT 'lines' AS what, count(*) AS count FROM core.log_1;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.log VALUES (1), (1)");

  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa", {.archive = true}));

  ASSERT_THAT(down.archives, SizeIs(1));
  ASSERT_OK(Upgrade());
  db_.Execute(down.archives[0].restore_sql);
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.log WHERE id = 1"), "2");
}

TEST_F(ArchiveTest, CopiedValuesOutliveTheTypeThatTheUndoDrops) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TYPE core.kind AS ENUM ('a', 'b');\n"
                  "CREATE TABLE core.log (id int PRIMARY KEY, k core.kind) PARTITION BY LIST (id);"
                  "\nCREATE TABLE core.log_1 PARTITION OF core.log DEFAULT;"},
                 {"down.sql", "DROP TABLE core.log;\nDROP TYPE core.kind;"},
                 {"verify.sql", "SELECT id FROM core.log WHERE id < 0;"},
                 {"guard.sql", "SELECT 'lines' AS what, count(*) AS count FROM core.log;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.log VALUES (1, 'b')");
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));
  ASSERT_OK(Upgrade());

  db_.Execute(down.archives[0].restore_sql);

  EXPECT_EQ(db_.QueryText("SELECT k FROM core.log"), "b");
}

TEST_F(ArchiveTest, ARunDropsArchivesPastTheirExpiry) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));
  db_.Execute("UPDATE migration.archives SET expires_at = now() WHERE kind = 'columns'");

  ASSERT_OK(Upgrade());

  EXPECT_FALSE(TableExists(down.archives[0].kept_as));
  EXPECT_TRUE(TableExists(down.archives[1].kept_as));
  EXPECT_THAT(sink_.Messages("archive_purged"), SizeIs(1));
}

TEST_F(ArchiveTest, ExpiredArchivesArePurged) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("base", {.archive = true}));
  const auto engine = NewEngine();
  ASSERT_OK_AND_ASSIGN(const int none, engine->PurgeArchives(context_));
  EXPECT_EQ(none, 0);
  db_.Execute("UPDATE migration.archives SET expires_at = now() WHERE kind = 'table'");

  ASSERT_OK_AND_ASSIGN(const int purged, engine->PurgeArchives(context_));

  EXPECT_EQ(purged, 2);
  EXPECT_FALSE(TableExists(down.archives[1].kept_as));
  EXPECT_TRUE(TableExists(down.archives[0].kept_as));
  ASSERT_OK_AND_ASSIGN(const auto left, engine->ListArchives(context_, 10));
  EXPECT_THAT(left, SizeIs(1));
}

}  // namespace
}  // namespace lockstep::migration
