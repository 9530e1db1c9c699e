// `--sql`: the same run as a script for psql.
#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/script_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;

class ScriptTest : public OfflineTest {
 protected:
  ScriptTest() {
    WriteRevision(
        "aaaa",
        "steps { name: \"table\" }\nsteps { name: \"rows\" expect_file: \"expect.sql\" }\n"
        "steps { name: \"index\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
        {{"01_table.up.sql",
          "CREATE TABLE core.a (id int PRIMARY KEY, n text DEFAULT 'it''s \\ :x'); -- end"},
         {"01_table.down.sql", "DROP TABLE core.a;"},
         {"02_rows.up.sql",
          "DO $$ BEGIN INSERT INTO core.a SELECT n FROM generate_series(1, 5) AS n; END $$;\n"
          "CREATE FUNCTION core.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"},
         {"02_rows.down.sql", "DELETE FROM core.a;\nDROP FUNCTION core.f();"},
         {"expect.sql", "SELECT 'V1', '5', count(*)::text FROM core.a;"},
         {"03_index.up.sql", "CREATE INDEX CONCURRENTLY a_n_idx ON core.a (n);"},
         {"03_index.down.sql", "DROP INDEX CONCURRENTLY core.a_n_idx;"},
         {"verify.sql",
          "SELECT id FROM core.a WHERE id < 0;\nSELECT id FROM core.a WHERE n IS NULL;"},
         {"guard.sql", "SELECT 'odd rows' AS what, count(*) AS count FROM core.a WHERE id > 5;"}});
    folder_.AddRevision("orders", "bbbb", "depends_on: \"aaaa\"\n");
    folder_.AddRevision("catalog", "cccc", "down_revision: \"aaaa\"\n");
  }
};

TEST_F(ScriptTest, LeadsToTheSameSchemaAndLedger) {
  const testing::TestDatabase other = Bootstrapped();
  ASSERT_OK_AND_ASSIGN(const std::string up, NewEngine()->UpgradeScript("head", {}));
  ASSERT_OK_AND_ASSIGN(const std::string down, NewEngine()->DowngradeScript("base", {}));

  ASSERT_OK(Upgrade());
  ASSERT_EQ(Psql(other, up), 0) << errors_;
  EXPECT_EQ(SchemaText(other), SchemaText(db_));
  EXPECT_EQ(LedgerText(other), LedgerText(db_));
  EXPECT_EQ(other.QueryText("SELECT sum(id) FROM core.a"), "15");

  // The engine goes on where the script ended, and the other way round.
  ASSERT_OK(Downgrade("base"));
  ASSERT_EQ(Psql(other, down), 0) << errors_;
  EXPECT_EQ(SchemaText(other), SchemaText(db_));
  EXPECT_EQ(LedgerText(other), LedgerText(db_));
}

TEST_F(ScriptTest, StopsUnlessTheHeadsAreThoseItStartsFrom) {
  ASSERT_OK_AND_ASSIGN(const std::string from_aaaa,
                       NewEngine()->UpgradeScript("head", {.from = "aaaa"}));
  EXPECT_NE(Psql(db_, from_aaaa), 0);
  EXPECT_THAT(errors_, HasSubstr("this script starts from catalog@aaaa"));
  EXPECT_EQ(AppliedText(), "");

  ASSERT_OK(Upgrade("aaaa"));
  EXPECT_EQ(Psql(db_, from_aaaa), 0) << errors_;
  EXPECT_EQ(AppliedText(), "aaaa:1,2,3! bbbb:1! cccc:1!");
}

TEST_F(ScriptTest, StopsWhileAnotherRunnerIsAtWork) {
  db_.Execute(
      "UPDATE migration.lease SET actor = 'somebody', expires_at = now() + interval '1 hour'");
  ASSERT_OK_AND_ASSIGN(const std::string up, NewEngine()->UpgradeScript("head", {}));

  EXPECT_NE(Psql(db_, up), 0);

  EXPECT_THAT(errors_, HasSubstr("another run is at work: somebody"));
}

TEST_F(ScriptTest, RaisesOnFailedExpectationAndVerification) {
  folder_.Write("catalog/aaaa_x/expect.sql", "SELECT 'V1', '6', count(*)::text FROM core.a;");
  ASSERT_OK_AND_ASSIGN(const std::string wrong, NewEngine()->UpgradeScript("head", {}));
  EXPECT_NE(Psql(db_, wrong), 0);
  EXPECT_THAT(errors_, HasSubstr("V1: expected 6, found 5"));
  EXPECT_EQ(AppliedText(), "aaaa:1");

  const testing::TestDatabase silent = Bootstrapped();
  folder_.Write("catalog/aaaa_x/expect.sql", "SELECT 'V1', '5', '5' WHERE false;");
  ASSERT_OK_AND_ASSIGN(const std::string empty, NewEngine()->UpgradeScript("head", {}));
  EXPECT_NE(Psql(silent, empty), 0);
  EXPECT_THAT(errors_, HasSubstr("expect.sql:1: expected a row, found no row"));

  const testing::TestDatabase other = Bootstrapped();
  folder_.Write("catalog/aaaa_x/expect.sql", "SELECT 'V1', '5', count(*)::text FROM core.a;");
  folder_.Write("catalog/aaaa_x/verify.sql", "SELECT id FROM core.a WHERE id = 3;");
  ASSERT_OK_AND_ASSIGN(const std::string violated, NewEngine()->UpgradeScript("head", {}));
  EXPECT_NE(Psql(other, violated), 0);
  EXPECT_THAT(errors_, HasSubstr("aaaa verify.sql:1"));
}

TEST_F(ScriptTest, RaisesWhenAStepLeavesItsSchemas) {
  db_.Execute("GRANT CREATE ON SCHEMA public TO catalog_owner");
  folder_.Write("catalog/aaaa_x/02_rows.up.sql",
                "DO $$ BEGIN INSERT INTO core.a SELECT n FROM generate_series(1, 5) AS n;"
                " EXECUTE 'CREATE TABLE public.sneaky (i int)'; END $$;");
  folder_.Write("catalog/aaaa_x/02_rows.down.sql", "DELETE FROM core.a;");
  ASSERT_OK_AND_ASSIGN(const std::string up, NewEngine()->UpgradeScript("head", {}));

  EXPECT_NE(Psql(db_, up), 0);

  EXPECT_THAT(errors_, HasSubstr("it changed relation public.sneaky"));
  EXPECT_EQ(AppliedText(), "aaaa:1");
}

TEST_F(ScriptTest, GuardStopsADowngrade) {
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.a VALUES (6), (7)");
  ASSERT_OK_AND_ASSIGN(const std::string down, NewEngine()->DowngradeScript("base", {}));

  EXPECT_NE(Psql(db_, down), 0);

  EXPECT_THAT(errors_, HasSubstr("odd rows: 2"));
  EXPECT_TRUE(TableExists("core.a"));
}

TEST_F(ScriptTest, DeadScriptIsOvertaken) {
  ASSERT_OK_AND_ASSIGN(std::string up, NewEngine()->UpgradeScript("head", {}));
  // Cut off in the middle of the run.
  const std::size_t cut = up.find("-- catalog aaaa step 3");
  ASSERT_NE(cut, std::string::npos);
  ASSERT_EQ(Psql(db_, up.substr(0, cut)), 0) << errors_;

  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_EQ(AppliedText(), "aaaa:1,2,3! bbbb:1! cccc:1!");
  EXPECT_EQ(
      db_.QueryText("SELECT string_agg(state, ',' ORDER BY started_order) FROM migration.runs"),
      "interrupted,succeeded");
}

TEST_F(ScriptTest, TakesOverFromADeadRunnerButEndsNobodyOvertakingIt) {
  pg::ConnectionOptions options;
  options.database_url = db_.url("lockstep_migrator");
  ASSERT_OK_AND_ASSIGN(const auto older, pg::Connection::Open(options));
  ASSERT_OK_AND_ASSIGN(const auto newer, pg::Connection::Open(options));
  // The main connection of runner 5 is gone, its other one is not; 6 is just taking over.
  db_.Execute(
      "UPDATE migration.lease SET token = 5, expires_at = now() + interval '1 hour';"
      " INSERT INTO migration.runner_sessions (pid, backend_start, token, holder, purpose)"
      " VALUES (1, now(), 5, gen_random_uuid(), 'runner');"
      " INSERT INTO migration.runner_sessions (pid, backend_start, token, holder, purpose)"
      " SELECT pid, backend_start, CASE pid WHEN " +
      std::to_string(older->backend_pid()) +
      " THEN 5 ELSE 9 END, gen_random_uuid(), 'attendant' FROM pg_stat_activity WHERE pid IN (" +
      std::to_string(older->backend_pid()) + ", " + std::to_string(newer->backend_pid()) + ")");
  ASSERT_OK_AND_ASSIGN(const std::string up, NewEngine()->UpgradeScript("head", {}));

  EXPECT_EQ(Psql(db_, up), 0) << errors_;

  EXPECT_FALSE(older->Query("SELECT 1").ok());
  EXPECT_THAT(newer->Query("SELECT 1"), IsOk());
}

TEST_F(ScriptTest, GoesOnWhereADeadRunLeftItsIntent) {
  db_.Execute(
      "WITH run AS (INSERT INTO migration.runs (run_id, kind, target, state, actor, host) VALUES"
      " (gen_random_uuid(), 'upgrade', 'head', 'interrupted', 'a', 'h') RETURNING run_id)"
      " INSERT INTO migration.step_intents (revision, ordinal, direction, statement_number, "
      "statement, token, run_id, backend_pid) SELECT 'aaaa', 3, 'up', n, 'x', 0, run_id, 1 FROM "
      "run,"
      " generate_series(0, 1) AS n");
  ASSERT_OK_AND_ASSIGN(const std::string up, NewEngine()->UpgradeScript("head", {}));

  EXPECT_EQ(Psql(db_, up), 0) << errors_;
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_intents"), "0");
}

TEST_F(ScriptTest, IrreversibleNeedsPermission) {
  WriteRevision("dddd", "down_revision: \"cccc\"\nirreversible_reason: \"gone for good\"\n",
                {{"up.sql", "CREATE TABLE core.d (id int PRIMARY KEY);"},
                 {"down.sql", "DROP TABLE core.d;"},
                 {"verify.sql", "SELECT id FROM core.d WHERE id < 0;"},
                 {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.d;"}});

  EXPECT_THAT(NewEngine()->DowngradeScript("base", {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("IRREVERSIBLE")));
  EXPECT_THAT(NewEngine()->DowngradeScript("base", {.allow_irreversible = true}), IsOk());
}

}  // namespace
}  // namespace lockstep::migration
