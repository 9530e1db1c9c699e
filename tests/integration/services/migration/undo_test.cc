// Going back: guards, archives, irreversible revisions.
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

class UndoTest : public EngineTest {
 protected:
  // aaaa makes core.parent and core.child (with a foreign key, an index, an identity); bbbb adds
  // two columns.
  void WriteTables(const std::string& more = "") {
    WriteRevision(
        "aaaa", "",
        {{"up.sql",
          "CREATE TABLE core.parent (id int PRIMARY KEY, name text);\n"
          "CREATE TABLE core.child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int "
          "REFERENCES"
          " core.parent, note text);\nCREATE INDEX child_note_idx ON core.child (note);\n"},
         {"down.sql", "DROP TABLE core.child;\nDROP TABLE core.parent;\n"},
         {"verify.sql", "SELECT id FROM core.child WHERE note = 'bad';"},
         {"guard.sql",
          "SELECT 'children' AS what, count(*) AS count FROM core.child;\n"
          "SELECT 'parents' AS what, count(*) AS count FROM core.parent;\n"}});
    WriteRevision(
        "bbbb", "down_revision: \"aaaa\"\n" + more,
        {{"up.sql", "ALTER TABLE core.parent ADD COLUMN a int, ADD COLUMN b int DEFAULT 7;\n"},
         {"down.sql", "ALTER TABLE core.parent DROP COLUMN a, DROP COLUMN b;\n"},
         {"verify.sql", "SELECT id FROM core.parent WHERE a < 0;"},
         {"guard.sql",
          "SELECT 'parents with a' AS what, count(*) AS count FROM core.parent WHERE a IS NOT "
          "NULL;\n"}});
  }
  void Fill() {
    db_.Execute(
        "INSERT INTO core.parent (id, name, a) VALUES (1, 'one', 10), (2, 'two', NULL);"
        " INSERT INTO core.child (parent, note) VALUES (1, 'x'), (2, 'y'), (2, 'z');");
  }
};

TEST_F(UndoTest, GuardRefusesWithWhatWouldGo) {
  WriteTables();
  ASSERT_OK(Upgrade());
  Fill();

  const auto refused = Downgrade("aaaa");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("parents with a: 1"));
  EXPECT_EQ(ExitClassOf(refused.status()), ExitClass::kBlocked);
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_EQ(db_.QueryText("SELECT state FROM migration.runs ORDER BY started_order DESC LIMIT 1"),
            "blocked");

  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kDown, "base"));
  EXPECT_THAT(plan.blockers, SizeIs(3));
}

TEST_F(UndoTest, EmptyGuardLetsGo) {
  WriteTables();
  ASSERT_OK(Upgrade());

  EXPECT_THAT(Downgrade("base"), IsOk());
  EXPECT_FALSE(TableExists("core.parent"));
}

TEST_F(UndoTest, ArchiveKeepsColumnsByKeyAndTablesWhole) {
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

  // The kept tables do not get in the way of a new start, and can be put back.
  ASSERT_OK(Upgrade());
  ASSERT_OK(Downgrade("base"));
  for (const int i : {2, 1}) db_.Execute(down.archives[static_cast<std::size_t>(i)].restore_sql);
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.child JOIN core.parent p ON p.id = parent"),
            "3");
  EXPECT_EQ(
      db_.QueryText("SELECT count(*) FROM pg_constraint WHERE conrelid = 'core.child'::regclass"
                    " AND contype = 'f'"),
      "1");
}

TEST_F(UndoTest, RestoredColumnsHaveTheirValues) {
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

TEST_F(UndoTest, ColumnsWithoutKeyCannotBeArchived) {
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

TEST_F(UndoTest, ArchivingCanBeForbidden) {
  WriteTables("archive_forbidden_reason: \"card data may not be kept\"\n");
  ASSERT_OK(Upgrade());
  Fill();

  const auto refused = Downgrade("aaaa", {.archive = true});

  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ARCHIVE_FORBIDDEN")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("card data may not be kept"));
}

TEST_F(UndoTest, IrreversibleNeedsPermissionAndAnEmptyGuard) {
  WriteTables("irreversible_reason: \"the data must never return\"\n");
  ASSERT_OK(Upgrade());
  EXPECT_THAT(Downgrade("aaaa"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("IRREVERSIBLE")));
  Fill();
  EXPECT_THAT(Downgrade("aaaa", {.archive = true, .allow_irreversible = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));

  db_.Execute("UPDATE core.parent SET a = NULL");

  EXPECT_THAT(Downgrade("aaaa", {.allow_irreversible = true}), IsOk());
}

TEST_F(UndoTest, DeclaredRowsAreArchived) {
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

TEST_F(UndoTest, RowsAreKeptBeforeAStepDeletesThemFromATableThatGoes) {
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

TEST_F(UndoTest, WhatHiddenCodeDestroysCannotBeArchivedUndeclared) {
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

TEST_F(UndoTest, TableThatOthersReferToIsNotMovedAway) {
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

TEST_F(UndoTest, RestoredRowsFitATableThatGrew) {
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

TEST_F(UndoTest, PartitionedTablesWithRowsCannotBeArchived) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.log (id int PRIMARY KEY) PARTITION BY RANGE (id);\n"
                  "CREATE TABLE core.log_1 PARTITION OF core.log FOR VALUES FROM (0) TO (100);"},
                 {"down.sql", "DROP TABLE core.log;"},
                 {"verify.sql", "SELECT id FROM core.log WHERE id < 0;"},
                 {"guard.sql", "SELECT 'lines' AS what, count(*) AS count FROM core.log;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.log VALUES (1)");

  const auto refused = Downgrade("base", {.archive = true});

  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ARCHIVE_IMPOSSIBLE")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("it is partitioned"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.log"), "1");

  db_.Execute("DELETE FROM core.log");
  EXPECT_THAT(Downgrade("base", {.archive = true}), IsOk());
}

TEST_F(UndoTest, ARunDropsArchivesPastTheirExpiry) {
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

TEST_F(UndoTest, ExpiredArchivesArePurged) {
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
  ASSERT_OK_AND_ASSIGN(const auto left, engine->ListArchives(context_));
  EXPECT_THAT(left, SizeIs(1));
}

TEST_F(UndoTest, HalfAppliedRevisionIsGuardedAsFarAsItWent) {
  WriteRevision("aaaa", "steps { name: \"one\" }\nsteps { name: \"two\" }\n",
                {{"01_one.up.sql", "CREATE TABLE core.one (id int PRIMARY KEY);"},
                 {"01_one.down.sql", "DROP TABLE core.one;"},
                 {"02_two.up.sql", "ALTER TABLE core.none ADD COLUMN x int;"},
                 {"02_two.down.sql", "ALTER TABLE core.none DROP COLUMN x;"},
                 {"verify.sql", "SELECT id FROM core.one WHERE id < 0;"},
                 {"guard.sql", "SELECT 'ones' AS what, count(*) AS count FROM core.one;"}});
  EXPECT_FALSE(Upgrade().ok());
  db_.Execute("INSERT INTO core.one VALUES (1)");
  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  db_.Execute("DELETE FROM core.one");

  EXPECT_THAT(Downgrade("base"), IsOk());
  EXPECT_THAT(AppliedText(), IsEmpty());
}

}  // namespace
}  // namespace lockstep::migration
