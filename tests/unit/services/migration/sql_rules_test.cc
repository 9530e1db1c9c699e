#include "services/migration/engine/sql_rules.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/sql_reader.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The findings in `text` as "line:CODE", for a revision of orders that declares core.platforms.
std::vector<std::string> Findings(const std::string& text, StepKind kind,
                                  ScriptRole role = ScriptRole::kStep) {
  static const std::vector<std::string> kReferences = {"core.platforms", "core.price"};
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  std::set<std::string> used;
  const ReadSql sql = ReadSqlText("orders/a/up.sql", text, problems, warnings);
  CheckSql(sql, {.service = "orders", .role = role, .kind = kind, .references = &kReferences}, used,
           problems);
  SortProblems(problems);
  std::vector<std::string> findings;
  for (const Problem& problem : problems) {
    EXPECT_EQ(problem.file, "orders/a/up.sql");
    findings.push_back(std::to_string(problem.line) + ":" + problem.code);
  }
  return findings;
}

struct Case {
  const char* text;
  std::vector<std::string> findings;
};

void ExpectFindings(const std::vector<Case>& cases, StepKind kind = StepKind::kTransactional,
                    ScriptRole role = ScriptRole::kStep) {
  for (const Case& c : cases) EXPECT_EQ(Findings(c.text, kind, role), c.findings) << c.text;
}

TEST(SqlRulesTest, RefusesTransactionControl) {
  std::vector<Case> cases;
  for (const char* text : {"BEGIN", "START TRANSACTION", "COMMIT", "COMMIT AND CHAIN", "END",
                           "ROLLBACK", "ABORT", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a",
                           "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'",
                           "ROLLBACK PREPARED 'x'", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                           "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                           "begin isolation level serializable"}) {
    cases.push_back({text, {"1:SQL_TRANSACTION_CONTROL"}});
  }
  cases.push_back({"-- a\nUPDATE transactions.orders SET a = 1;\n\n  COMMIT;\nBEGIN;",
                   {"4:SQL_TRANSACTION_CONTROL", "5:SQL_TRANSACTION_CONTROL"}});
  ExpectFindings(cases);
  ExpectFindings(cases, StepKind::kPrivileged);
}

TEST(SqlRulesTest, RefusesPsqlMetaCommands) {
  ExpectFindings({
      {"\\i other.sql\n", {"1:SQL_META_COMMAND"}},
      {"SELECT 1;\n  \\set ON_ERROR_STOP on\n", {"2:SQL_META_COMMAND"}},
      {"SELECT 1 \\gexec\n", {"1:SQL_META_COMMAND"}},
      {"\\a\n\\b \\c\n", {"1:SQL_META_COMMAND", "2:SQL_META_COMMAND"}},
      // Quoted backslashes are text.
      {"SELECT '\n\\i x\n';", {}},
      {"SELECT E'\\'\n\\i x';", {}},
      {"SELECT $$\n\\i x\n$$;", {}},
      {"SELECT $f$\n\\i $$ x\n$f$;", {}},
      {"SELECT 1 AS \"\n\\i x\";", {}},
      {"-- \\i x\n/* \\i /* \\i */\n\\i x\n*/ SELECT 1;", {}},
      {"SELECT 'a'\n\\i x\n;SELECT ''", {"2:SQL_META_COMMAND"}},
  });
}

TEST(SqlRulesTest, RefusesSettingsOfTheEngine) {
  std::vector<Case> cases;
  for (const char* text :
       {"SET ROLE catalog_owner", "RESET ROLE", "SET LOCAL ROLE x", "SET SESSION AUTHORIZATION x",
        "RESET SESSION AUTHORIZATION", "SET lock_timeout = 0", "SET LOCAL Lock_Timeout = 0",
        "RESET lock_timeout", "SET statement_timeout TO DEFAULT", "SET search_path = core",
        "SET SCHEMA 'core'", "SET LOCAL search_path FROM CURRENT", "SET TIME ZONE 'CET'",
        "RESET ALL", "SET NAMES 'LATIN1'", "SET idle_in_transaction_session_timeout = 0",
        "SET session_replication_role = replica", "SELECT set_config('lock_timeout', '0', true)",
        "SELECT pg_catalog.set_config('ROLE', 'x', false)"}) {
    cases.push_back({text, {"1:SQL_ENGINE_SETTING"}});
  }
  cases.push_back({"SET LOCAL work_mem = '64MB'", {}});
  cases.push_back({"SET work_mem = '64MB'", {"1:SQL_SESSION_STATE"}});
  cases.push_back({"SELECT set_config('work_mem', '64MB', true)", {}});
  cases.push_back({"SELECT set_config('work_mem', '64MB', false)", {"1:SQL_SESSION_STATE"}});
  cases.push_back({"SET CONSTRAINTS ALL DEFERRED", {}});
  cases.push_back(
      {"CREATE FUNCTION transactions.f() RETURNS int LANGUAGE sql SET search_path = '' "
       "AS 'SELECT 1'",
       {}});
  for (const char* text : {"DISCARD ALL", "PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE p",
                           "LISTEN c", "UNLISTEN c"}) {
    cases.push_back({text, {"1:SQL_SESSION_STATE"}});
  }
  ExpectFindings(cases);
}

TEST(SqlRulesTest, RefusesCopy) {
  ExpectFindings({
      {"COPY transactions.orders FROM STDIN", {"1:SQL_COPY_STREAM"}},
      {"SELECT 1;\nCOPY transactions.orders TO STDOUT", {"2:SQL_COPY_STREAM"}},
      {"COPY transactions.orders FROM '/tmp/x'", {"1:SQL_COPY_FILE"}},
      {"COPY (SELECT 1) TO PROGRAM 'cat'", {"1:SQL_COPY_FILE"}},
      // With data behind it the parser cannot read the file.
      {"COPY transactions.orders FROM stdin;\n1\t2\n\\.\n",
       {"1:SQL_COPY_STREAM", "3:SQL_META_COMMAND"}},
  });
  ExpectFindings({{"COPY transactions.orders FROM '/tmp/x'", {}},
                  {"COPY transactions.orders FROM STDIN", {"1:SQL_COPY_STREAM"}}},
                 StepKind::kPrivileged);
}

TEST(SqlRulesTest, RefusesChangesInSchemasOfOthers) {
  std::vector<Case> cases;
  for (const char* text :
       {"CREATE TABLE core.t (id int)",
        "CREATE TABLE core.t AS SELECT 1",
        "ALTER TABLE core.t ADD a int",
        "ALTER TABLE core.t RENAME TO u",
        "ALTER TABLE core.t RENAME a TO b",
        "DROP TABLE core.t",
        "DROP INDEX core.i",
        "DROP VIEW core.v",
        "DROP TYPE core.y",
        "DROP FUNCTION core.f(int)",
        "DROP SEQUENCE core.s",
        "DROP TRIGGER g ON core.t",
        "CREATE INDEX i ON core.t (a)",
        "CREATE UNIQUE INDEX i ON core.platforms (a)",
        "INSERT INTO core.platforms VALUES (1)",
        "UPDATE core.platforms SET a = 1",
        "DELETE FROM core.platforms",
        "TRUNCATE core.platforms",
        "MERGE INTO core.platforms p USING transactions.t ON true WHEN MATCHED THEN DELETE",
        "WITH x AS (DELETE FROM core.platforms RETURNING 1) SELECT 1",
        "LOCK TABLE core.platforms",
        "COMMENT ON TABLE core.t IS 'x'",
        "COMMENT ON COLUMN core.t.a IS 'x'",
        "COMMENT ON SCHEMA core IS 'x'",
        "COMMENT ON CONSTRAINT c ON core.t IS 'x'",
        "GRANT SELECT ON core.t TO x",
        "GRANT USAGE ON SCHEMA core TO x",
        "GRANT SELECT ON ALL TABLES IN SCHEMA core TO x",
        "REVOKE ALL ON core.t FROM x",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA core GRANT SELECT ON TABLES TO x",
        "ALTER TABLE transactions.t SET SCHEMA core",
        "ALTER INDEX core.i RENAME TO j",
        "CREATE VIEW core.v AS SELECT 1",
        "REFRESH MATERIALIZED VIEW analytics.m",
        "CREATE SEQUENCE core.s",
        "ALTER SEQUENCE core.s RESTART",
        "CREATE TYPE core.y AS ENUM ('a')",
        "CREATE TYPE core.y AS (a int)",
        "ALTER TYPE core.y ADD VALUE 'b'",
        "CREATE DOMAIN core.d AS int",
        "CREATE FUNCTION core.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER g BEFORE UPDATE ON core.t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE POLICY p ON core.t",
        "CREATE STATISTICS core.s ON a, b FROM transactions.t",
        "CREATE RULE r AS ON INSERT TO core.t DO NOTHING",
        "COPY core.t FROM '/x'",
        "ALTER TABLE transactions.t ATTACH PARTITION core.u DEFAULT"}) {
    std::vector<std::string> findings = {"1:SQL_FOREIGN_SCHEMA"};
    if (std::string(text).starts_with("COPY"))
      findings = {"1:SQL_COPY_FILE", "1:SQL_FOREIGN_SCHEMA"};
    cases.push_back({text, findings});
  }
  for (Case& c : cases) {
    std::vector<std::string> found = Findings(c.text, StepKind::kTransactional);
    // An object can be named on two places of a statement.
    found.erase(std::unique(found.begin(), found.end()), found.end());
    std::erase(found, "1:SQL_UNDECLARED_REFERENCE");
    EXPECT_EQ(found, c.findings) << c.text;
  }
  ExpectFindings({{"UPDATE core.platforms\nSET a = (SELECT 1)", {}},
                  {"DROP TABLE migration.steps", {"1:SQL_LEDGER_SCHEMA"}},
                  {"SELECT 1 FROM migration.steps", {"1:SQL_LEDGER_SCHEMA"}}},
                 StepKind::kPrivileged);
}

TEST(SqlRulesTest, AllowsDeclaredReferencesOnly) {
  ExpectFindings({
      {"ALTER TABLE transactions.o ADD FOREIGN KEY (p) REFERENCES core.platforms", {}},
      {"UPDATE transactions.o SET p = q.id FROM core.platforms q", {}},
      {"CREATE TABLE transactions.o (p core.price)", {}},
      {"ALTER TABLE transactions.o ADD FOREIGN KEY (p)\n REFERENCES core.suppliers",
       {"2:SQL_UNDECLARED_REFERENCE"}},
      {"SELECT 1\nFROM transactions.o\nJOIN products.items i ON true",
       {"3:SQL_UNDECLARED_REFERENCE"}},
      {"SELECT core.f(1)", {"1:SQL_UNDECLARED_REFERENCE"}},
      {"CREATE TABLE transactions.o (p core.size)", {"1:SQL_UNDECLARED_REFERENCE"}},
      {"SELECT nextval('core.s')", {"1:SQL_UNDECLARED_REFERENCE"}},
      {"SELECT 'core.t'::regclass", {"1:SQL_UNDECLARED_REFERENCE"}},
      {"SELECT 1 FROM audit.t", {"1:SQL_UNKNOWN_SCHEMA"}},
      {"CREATE TABLE audit.t ()", {"1:SQL_UNKNOWN_SCHEMA"}},
      {"SELECT 1 FROM migration.steps", {"1:SQL_LEDGER_SCHEMA"}},
      {"INSERT INTO migration.steps VALUES (1)", {"1:SQL_LEDGER_SCHEMA"}},
      {"SELECT 1 FROM pg_catalog.pg_class, information_schema.tables, pg_class", {}},
      {"DELETE FROM pg_catalog.pg_class", {"1:SQL_SYSTEM_SCHEMA"}},
      {"SELECT public.gin_trgm(1), 'a'::public.citext", {}},
      {"SELECT 1 FROM public.t", {"1:SQL_PUBLIC_SCHEMA"}},
      {"CREATE TABLE public.t ()", {"1:SQL_PUBLIC_SCHEMA"}},
  });
}

TEST(SqlRulesTest, WantsSchemasInFrontOfNames) {
  ExpectFindings({
      {"CREATE TABLE t (id int)", {"1:SQL_UNQUALIFIED_NAME"}},
      {"\nCREATE VIEW v AS SELECT 1", {"2:SQL_UNQUALIFIED_NAME"}},
      {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", {"1:SQL_UNQUALIFIED_NAME"}},
      {"CREATE TYPE y AS ENUM ('a')", {"1:SQL_UNQUALIFIED_NAME"}},
      {"CREATE SEQUENCE s", {"1:SQL_UNQUALIFIED_NAME"}},
      {"DROP TABLE t", {"1:SQL_UNQUALIFIED_NAME"}},
      {"ALTER TABLE t ADD a int", {"1:SQL_UNQUALIFIED_NAME"}},
      {"UPDATE t SET a = 1", {"1:SQL_UNQUALIFIED_NAME"}},
      {"SELECT 1 FROM t", {"1:SQL_UNQUALIFIED_NAME"}},
      {"COMMENT ON COLUMN t.a IS 'x'", {"1:SQL_UNQUALIFIED_NAME"}},
      {"CREATE INDEX i ON transactions.t (lower(a))", {}},
      {"WITH t AS (SELECT 1) SELECT * FROM t", {}},
      {"CREATE TEMPORARY TABLE t ON COMMIT DROP AS SELECT 1; SELECT * FROM t; UPDATE t SET a = 1; "
       "DROP "
       "TABLE t",
       {}},
      {"SELECT * FROM generate_series(1, 2) g, transactions.t FOR UPDATE OF t", {}},
  });
}

TEST(SqlRulesTest, KeepsStepKindsApart) {
  for (const char* text :
       {"CREATE INDEX CONCURRENTLY i ON transactions.t (a)",
        "DROP INDEX CONCURRENTLY transactions.i", "REINDEX TABLE CONCURRENTLY transactions.t",
        "VACUUM transactions.t",
        "ALTER TABLE transactions.t DETACH PARTITION transactions.u CONCURRENTLY"}) {
    EXPECT_THAT(Findings(text, StepKind::kTransactional), ElementsAre("1:SQL_NON_TRANSACTIONAL"))
        << text;
    EXPECT_THAT(Findings(text, StepKind::kNonTransactional), ElementsAre()) << text;
  }
  for (const char* text :
       {"CREATE INDEX i ON transactions.t (a)", "DROP INDEX transactions.i",
        "UPDATE transactions.t SET a = 1", "ALTER TABLE transactions.t ADD a int"}) {
    EXPECT_THAT(Findings(text, StepKind::kTransactional), ElementsAre()) << text;
    EXPECT_THAT(Findings(text, StepKind::kNonTransactional), ElementsAre("1:SQL_TRANSACTIONAL"))
        << text;
  }
  for (const char* text :
       {"ANALYZE transactions.t", "ALTER TABLE transactions.t VALIDATE CONSTRAINT c",
        "alter table transactions.t detach partition transactions.u finalize"}) {
    EXPECT_THAT(Findings(text, StepKind::kTransactional), ElementsAre()) << text;
    EXPECT_THAT(Findings(text, StepKind::kNonTransactional), ElementsAre()) << text;
  }
  // What the runner could not resolve from the catalog after a crash.
  for (const char* text : {"CLUSTER", "THIS IS NOT SQL"}) {
    EXPECT_THAT(Findings(text, StepKind::kNonTransactional), ElementsAre("1:SQL_OUTCOME_UNKNOWN"))
        << text;
  }
  EXPECT_THAT(Findings("CLUSTER transactions.t USING i", StepKind::kTransactional), ElementsAre());
  EXPECT_THAT(Findings("ALTER TYPE transactions.y ADD VALUE 'b'", StepKind::kTransactional),
              ElementsAre());
  EXPECT_THAT(
      Findings("\nCREATE INDEX CONCURRENTLY ON transactions.t (a)", StepKind::kNonTransactional),
      ElementsAre("2:SQL_UNNAMED_INDEX"));
}

TEST(SqlRulesTest, LeavesTheClusterToAdministrators) {
  for (const char* text :
       {"CREATE ROLE x", "ALTER ROLE x SET lock_timeout = 0", "GRANT a TO b",
        "CREATE EXTENSION citext", "DROP EXTENSION citext", "CREATE SCHEMA extra",
        "DROP SCHEMA transactions", "ALTER SCHEMA transactions RENAME TO x",
        "ALTER DATABASE d SET lock_timeout = 0", "REASSIGN OWNED BY a TO b", "DROP OWNED BY a",
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE "
        "FUNCTION f()",
        "CREATE PUBLICATION p", "LOAD 'x'", "CHECKPOINT"}) {
    EXPECT_THAT(Findings(text, StepKind::kTransactional),
                ::testing::Contains("1:SQL_NEEDS_ADMINISTRATOR"))
        << text;
    EXPECT_THAT(Findings(text, StepKind::kPrivileged), ElementsAre()) << text;
  }
  for (const char* text :
       {"ALTER TABLE transactions.t OWNER TO x", "ALTER FUNCTION transactions.f() OWNER TO x"}) {
    EXPECT_THAT(Findings(text, StepKind::kTransactional), ElementsAre("1:SQL_OWNER_CHANGE"))
        << text;
  }
  EXPECT_THAT(
      Findings("GRANT USAGE ON SCHEMA transactions TO finance_owner", StepKind::kTransactional),
      ElementsAre());
}

TEST(SqlRulesTest, ChecksAreQueries) {
  ExpectFindings(
      {
          {"SELECT 1 FROM transactions.t", {}},
          {"WITH a AS (SELECT 1) SELECT * FROM a UNION ALL VALUES (2)", {}},
          {"VALUES (1)", {}},
          {"SELECT 1;\nUPDATE transactions.t SET a = 1", {"2:SQL_NOT_A_QUERY"}},
          {"SELECT 1 INTO transactions.t", {"1:SQL_NOT_A_QUERY"}},
          {"WITH a AS (DELETE FROM transactions.t RETURNING 1) SELECT 1", {"1:SQL_NOT_A_QUERY"}},
          {"DO $$ BEGIN END $$", {"1:SQL_NOT_A_QUERY"}},
          {"EXPLAIN SELECT 1", {"1:SQL_NOT_A_QUERY"}},
          {"SELECT 1 FROM core.platforms", {}},
          {"SELECT 1 FROM core.suppliers", {"1:SQL_UNDECLARED_REFERENCE"}},
          {"COMMIT", {"1:SQL_NOT_A_QUERY", "1:SQL_TRANSACTION_CONTROL"}},
      },
      StepKind::kTransactional, ScriptRole::kCheck);
}

// Text that the parser cannot read is still kept from transactions and from the ledger.
TEST(SqlRulesTest, ReadsTheFirstWordsOfOpaqueText) {
  const std::string newer =
      "MERGE INTO transactions.a USING transactions.b ON true WHEN NOT MATCHED BY SOURCE THEN "
      "DELETE;\n";
  ExpectFindings({
      {newer.c_str(), {}},
      {(newer + "COMMIT;").c_str(), {"2:SQL_TRANSACTION_CONTROL"}},
      {(newer + "-- x\nstart transaction;").c_str(), {"3:SQL_TRANSACTION_CONTROL"}},
      {(newer + "RESET ROLE").c_str(), {"2:SQL_ENGINE_SETTING"}},
      {(newer + "SET lock_timeout = 0").c_str(), {"2:SQL_ENGINE_SETTING"}},
      {(newer + "DELETE FROM Migration . steps").c_str(), {"2:SQL_LEDGER_SCHEMA"}},
      {(newer + "SELECT 'COMMIT; COMMIT'; SELECT $$;COMMIT;$$; -- ;COMMIT\n").c_str(), {}},
      {(newer + "SELECT 'it''s; COMMIT'; /* ; COMMIT */").c_str(), {}},
  });
}

TEST(SqlRulesTest, SaysWhatToWriteInstead) {
  const std::vector<std::string> none;
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  std::set<std::string> used;
  const ReadSql sql = ReadSqlText("f", "SELECT 1\n  FROM core.users", problems, warnings);
  CheckSql(sql, {.service = "orders", .references = &none}, used, problems);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].column, 8);
  EXPECT_THAT(problems[0].text(), HasSubstr("f:2:8: core.users belongs to catalog; declare it in "
                                            "revision.textproto: references: \"core.users\""));
}

}  // namespace
}  // namespace lockstep::migration
