// `downgrade --sql` says no as an online run does, and scripts verify what a run verifies.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/script_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::testing::HasSubstr;

class ScriptUndoTest : public OfflineTest {
 protected:
  // core.t with a column for each of two steps, and a guard that counts what the first one added.
  void WriteColumns(const std::string& last_kind = "") {
    WriteRevision("aaaa", "steps { name: \"a\" }\nsteps { name: \"b\" " + last_kind + "}\n",
                  {{"01_a.up.sql", "CREATE TABLE core.t (id int PRIMARY KEY, a int);"},
                   {"01_a.down.sql", "DROP TABLE core.t;"},
                   {"02_b.up.sql", "ALTER TABLE core.t ADD COLUMN b int;"},
                   {"02_b.down.sql", "ALTER TABLE core.t DROP COLUMN b;"},
                   {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"},
                   {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t;"}});
  }
  std::string DownScript() const {
    const auto script = NewEngine()->DowngradeScript("base", {});
    EXPECT_THAT(script, IsOk());
    return script.value_or("");
  }
  // The script with a statement of somebody else's in front of a step.
  static std::string With(std::string script, const std::string& before, const std::string& sql) {
    const std::size_t at = script.find("-- " + before);
    EXPECT_NE(at, std::string::npos);
    return at == std::string::npos ? script : script.insert(at, sql + "\n");
  }
};

TEST_F(ScriptUndoTest, EveryStepThatTakesSomethingAsksTheGuard) {
  WriteColumns();
  ASSERT_OK(Upgrade());

  EXPECT_NE(
      Psql(db_, With(DownScript(), "catalog aaaa step 1", "INSERT INTO core.t (id) VALUES (1);")),
      0);

  EXPECT_THAT(errors_, HasSubstr("rows: 1"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.t"), "1");
  EXPECT_EQ(AppliedText(), "aaaa:1");
}

TEST_F(ScriptUndoTest, APrivilegedFirstStepAsksTheGuardAsWell) {
  WriteColumns();
  ASSERT_OK(Upgrade());
  folder_.Write("catalog/aaaa_x/revision.textproto",
                "id: \"aaaa\"\ntitle: \"Title of aaaa\"\nservice: \"catalog\"\ncreated: "
                "\"2025-10-01\"\nphase: PHASE_EXPAND\nsteps { name: \"a\" }\nsteps { name: \"b\" "
                "kind: STEP_KIND_PRIVILEGED }\n");
  std::string script = DownScript();
  // The ledger knows the step under another checksum, which is not what this is about.
  db_.Execute("UPDATE migration.applied_steps SET checksum = '" +
              NewEngine()->definitions().revisions[0].steps[1].checksum +
              "' WHERE ordinal = 2; UPDATE migration.applied_revisions SET checksum = '" +
              NewEngine()->definitions().revisions[0].checksum + "'");

  EXPECT_NE(Psql(db_, With(script, "catalog aaaa step 2", "INSERT INTO core.t (id) VALUES (1);")),
            0);

  EXPECT_THAT(errors_, HasSubstr("rows: 1"));
  EXPECT_EQ(AppliedText(), "aaaa:1,2!");
}

TEST_F(ScriptUndoTest, WhereTheGuardCannotBeAskedOnlyWhatItHasSeenGoes) {
  // Its guard reads what the first undo takes away.
  WriteColumns();
  folder_.Write("catalog/aaaa_x/guard.sql",
                "SELECT 'values' AS what, count(*) AS count FROM core.t WHERE b > 0;");
  ASSERT_OK(Upgrade());

  EXPECT_NE(
      Psql(db_, With(DownScript(), "catalog aaaa step 1", "INSERT INTO core.t (id) VALUES (1);")),
      0);

  EXPECT_THAT(errors_, HasSubstr("values of core.t that the guard has not seen: 1"));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.t"), "1");

  // Undisturbed it leaves what an online run leaves, down to what the guard has seen.
  const testing::TestDatabase other = Bootstrapped();
  const testing::TestDatabase online = Bootstrapped();
  EngineOptions options = Options();
  options.database_url = online.url("lockstep_migrator");
  ASSERT_OK(NewEngine(options)->Upgrade(context_, "head", {}, sink_));
  ASSERT_OK(NewEngine(options)->Downgrade(context_, "base", {}, sink_));
  ASSERT_OK_AND_ASSIGN(const std::string up, NewEngine()->UpgradeScript("head", {}));
  ASSERT_EQ(Psql(other, up), 0) << errors_;
  ASSERT_EQ(Psql(other, DownScript()), 0) << errors_;
  EXPECT_THAT(LedgerText(other), HasSubstr("guard_silent"));
  EXPECT_EQ(LedgerText(other), LedgerText(online));
}

TEST_F(ScriptUndoTest, WhatIsKnownToStandInTheWayIsSaidBeforeTheFirstUndo) {
  WriteColumns();
  folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
  ASSERT_OK(Upgrade());
  const std::string down = DownScript();
  db_.Execute("INSERT INTO core.t (id) VALUES (1)");

  EXPECT_NE(Psql(db_, down), 0);
  EXPECT_THAT(errors_, HasSubstr("rows: 1"));
  EXPECT_EQ(AppliedText(), "aaaa:1,2! bbbb:1!");

  db_.Execute(
      "DELETE FROM core.t; INSERT INTO migration.instances (instance_id, service, build,"
      " required_revision, built_for, address, expires_at) VALUES"
      " ('i1', 'catalog', '1.0.0', 'aaaa', 'aaaa', 'here', now() + interval '1 hour')");
  EXPECT_NE(Psql(db_, down), 0);
  EXPECT_THAT(errors_, HasSubstr("aaaa by catalog i1 (here)"));
  EXPECT_EQ(AppliedText(), "aaaa:1,2! bbbb:1!");

  db_.Execute(
      "DELETE FROM migration.instances; UPDATE migration.archived_scripts SET body = body"
      " || ' ' WHERE revision = 'aaaa' AND ordinal = 1 AND role = 'down'");
  EXPECT_NE(Psql(db_, down), 0);
  EXPECT_THAT(errors_, HasSubstr("the archived undo is not the one of this script"));
  EXPECT_EQ(AppliedText(), "aaaa:1,2! bbbb:1!");
}

TEST_F(ScriptUndoTest, StopsWhereOtherFilesWereApplied) {
  WriteColumns();
  ASSERT_OK(Upgrade());
  folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
  ASSERT_OK_AND_ASSIGN(const std::string up, NewEngine()->UpgradeScript("head", {.from = "aaaa"}));
  db_.Execute("UPDATE migration.applied_steps SET checksum = 'v1:other' WHERE ordinal = 1");

  EXPECT_NE(Psql(db_, up), 0);

  EXPECT_THAT(errors_, HasSubstr("applied from other files: aaaa step 1"));
  EXPECT_EQ(AppliedText(), "aaaa:1,2!");

  // What an amendment replaced counts as the same.
  db_.Execute("UPDATE migration.applied_steps AS s SET checksum = 'v1:other' WHERE ordinal = 1");
  db_.Execute(
      "INSERT INTO migration.amendments (kind, revision, ordinal, old_checksum,"
      " new_checksum, reason, actor, run_id) SELECT 'down_replaced', 'aaaa', 1, '" +
      NewEngine()->definitions().revisions[0].steps[0].checksum +
      "', 'v1:other', 'r', 'a', run_id FROM migration.runs LIMIT 1");
  EXPECT_EQ(Psql(db_, up), 0) << errors_;
}

TEST_F(ScriptUndoTest, VerifiesWhatReadsThroughViewsAndSkipsWhatWasDropped) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.t (id int PRIMARY KEY, n int, gone int);\n"
                  "CREATE VIEW core.v AS SELECT id, n FROM core.t;"},
                 {"down.sql", "DROP VIEW core.v;\nDROP TABLE core.t;"},
                 {"verify.sql",
                  "SELECT id FROM core.v WHERE n < 0;\n"
                  "SELECT id FROM core.t WHERE gone < 0;"}});
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "CREATE VIEW core.w AS SELECT n FROM core.v;"},
                 {"down.sql", "DROP VIEW core.w;"},
                 {"verify.sql", "SELECT n FROM core.w WHERE n < 0;"}});
  ASSERT_OK_AND_ASSIGN(const std::string first, NewEngine()->UpgradeScript("head", {}));
  ASSERT_OK(Upgrade());
  WriteRevision("cccc", "down_revision: \"bbbb\"\n",
                {{"up.sql", "ALTER TABLE core.t DROP COLUMN gone;"},
                 {"down.sql", "ALTER TABLE core.t ADD COLUMN gone int;"},
                 {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"}});
  ASSERT_OK_AND_ASSIGN(const std::string second,
                       NewEngine()->UpgradeScript("head", {.from = "bbbb"}));
  ASSERT_OK(Upgrade());

  const testing::TestDatabase other = Bootstrapped();
  ASSERT_EQ(Psql(other, first), 0) << errors_;
  ASSERT_EQ(Psql(other, second), 0) << errors_;

  EXPECT_THAT(LedgerText(other), HasSubstr("verification_skipped"));
  EXPECT_EQ(LedgerText(other), LedgerText(db_));

  // Nobody dropped this one in order.
  const testing::TestDatabase odd = Bootstrapped();
  ASSERT_EQ(Psql(odd, first), 0) << errors_;
  odd.Execute(
      "DROP VIEW core.v CASCADE; ALTER TABLE core.t RENAME n TO m;"
      " CREATE VIEW core.v AS SELECT id, m FROM core.t; CREATE VIEW core.w AS SELECT m AS n"
      " FROM core.v; GRANT SELECT ON core.v, core.w TO catalog_owner");
  EXPECT_NE(Psql(odd, second), 0);
  EXPECT_THAT(errors_, HasSubstr("column \"n\" does not exist"));
}

}  // namespace
}  // namespace lockstep::migration
