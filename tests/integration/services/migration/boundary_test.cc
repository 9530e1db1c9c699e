// Steps that try to leave their schemas, in ways that no parser can see.
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the step does inside a DO block, and what the engine says about it.
struct Escape {
  const char* name;
  const char* sql;
  const char* found;
};

class StepBoundary : public EngineTest, public ::testing::WithParamInterface<Escape> {};

TEST_P(StepBoundary, RollsTheStepBack) {
  // Something of another owner, and a right to it that a step must not use.
  db_.Execute(
      "SET ROLE finance_owner; CREATE TABLE finance.ledger (id int PRIMARY KEY, n int); INSERT "
      "INTO finance.ledger"
      " VALUES (1, 1), (2, 2); CREATE VIEW finance.view AS SELECT 1 AS one; CREATE FUNCTION "
      "finance.f() RETURNS int"
      " LANGUAGE sql AS 'SELECT 1'; GRANT USAGE ON SCHEMA finance TO catalog_owner;"
      " GRANT ALL ON finance.ledger TO catalog_owner; RESET ROLE; GRANT CREATE ON SCHEMA public TO "
      "catalog_owner;");
  db_.Execute(
      "CREATE TYPE finance.mood AS ENUM ('good'); ALTER TYPE finance.mood OWNER TO finance_owner;"
      " CREATE SEQUENCE finance.numbers; ALTER SEQUENCE finance.numbers OWNER TO finance_owner;"
      " CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;"
      " CREATE FOREIGN TABLE finance.remote (i int) SERVER nowhere;"
      " ALTER FOREIGN TABLE finance.remote OWNER TO finance_owner;"
      " CREATE PUBLICATION news; CREATE FUNCTION finance.publish() RETURNS void LANGUAGE sql"
      " SECURITY DEFINER AS 'ALTER PUBLICATION news ADD TABLES IN SCHEMA finance';");
  const std::string before =
      db_.QueryText("SELECT string_agg(oid || ':' || xmin, ',' ORDER BY oid) FROM pg_class");
  WriteRevision("aaaa", "",
                {{"up.sql", std::string("CREATE TABLE core.a (id int PRIMARY KEY);\nDO $$ BEGIN ") +
                                GetParam().sql + " END $$;"},
                 {"down.sql", "DROP TABLE core.a;"},
                 {"verify.sql", "SELECT id FROM core.a WHERE id < 0;"}});

  const auto refused = Upgrade();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_TAMPERED")));
  EXPECT_THAT(refused.status().ToString(), HasSubstr(GetParam().found));
  EXPECT_EQ(AppliedText(), "");
  EXPECT_EQ(db_.QueryText("SELECT string_agg(oid || ':' || xmin, ',' ORDER BY oid) FROM pg_class"),
            before);
}

INSTANTIATE_TEST_SUITE_P(
    Table, StepBoundary,
    ::testing::Values(
        Escape{"ResetRole", "RESET ROLE;", "changed its role or limits"},
        Escape{"SetRole", "RESET ROLE; SET LOCAL ROLE finance_owner;", "finance_owner"},
        Escape{"LockTimeout", "PERFORM set_config('lock_timeout', '0', false);",
               "changed its role or limits"},
        Escape{"StatementTimeout", "PERFORM set_config('statement_timeout', '1h', true);", "1h"},
        Escape{"SearchPath", "PERFORM set_config('search_path', 'core', true);", "core"},
        Escape{
            "RoleAndBack",
            "RESET ROLE; EXECUTE 'CREATE TABLE finance.b (i int)'; SET LOCAL ROLE catalog_owner;",
            "it changed relation finance.b"},
        Escape{"Subtransaction",
               "BEGIN EXECUTE 'CREATE TABLE public.b (i int)'; EXCEPTION WHEN division_by_zero "
               "THEN NULL; END;",
               "it changed relation public.b"},
        Escape{"Drop",
               "RESET ROLE; EXECUTE 'DROP VIEW finance.view'; SET LOCAL ROLE catalog_owner;",
               "rows of pg_class"},
        Escape{"AlterColumn",
               "RESET ROLE; EXECUTE 'ALTER TABLE finance.ledger ALTER n SET DEFAULT 1'; SET LOCAL "
               "ROLE catalog_owner;",
               "finance.ledger"},
        Escape{"Function",
               "RESET ROLE; EXECUTE 'CREATE OR REPLACE FUNCTION finance.f() RETURNS int LANGUAGE "
               "sql AS ''SELECT 2''';"
               " SET LOCAL ROLE catalog_owner;",
               "function finance.f()"},
        Escape{"Grant",
               "RESET ROLE; EXECUTE 'GRANT SELECT ON finance.view TO orders_app'; SET LOCAL ROLE "
               "catalog_owner;",
               "finance.view"},
        Escape{"Schema",
               "RESET ROLE; EXECUTE 'CREATE SCHEMA sneaky'; SET LOCAL ROLE catalog_owner;",
               "schema sneaky"},
        Escape{"OwnLedgerFunction",
               "RESET ROLE; EXECUTE 'CREATE OR REPLACE FUNCTION migration.assert_lease(p_token "
               "bigint, p_holder uuid)"
               " RETURNS void LANGUAGE sql AS ''SELECT'''; SET LOCAL ROLE catalog_owner;",
               "function migration.assert_lease"},
        Escape{"Insert", "INSERT INTO finance.ledger VALUES (3, 3);",
               "it wrote rows of finance.ledger"},
        Escape{"Update", "UPDATE finance.ledger SET n = 5;", "it wrote rows of finance.ledger"},
        Escape{"Delete", "DELETE FROM finance.ledger;", "it wrote rows of finance.ledger"},
        Escape{"LedgerRows",
               "RESET ROLE; UPDATE migration.lease SET actor = 'me'; SET LOCAL ROLE catalog_owner;",
               "it wrote rows of migration.lease"},
        Escape{"RoleSetting",
               "RESET ROLE; ALTER ROLE lockstep_migrator SET work_mem = '1MB'; SET LOCAL ROLE "
               "catalog_owner;",
               "settings of a role"},
        Escape{"EnumValue",
               "RESET ROLE; EXECUTE 'ALTER TYPE finance.mood ADD VALUE ''bad'''; SET LOCAL ROLE "
               "catalog_owner;",
               "a value of finance.mood"},
        Escape{"DefaultPrivileges",
               "RESET ROLE; EXECUTE 'ALTER DEFAULT PRIVILEGES FOR ROLE finance_owner IN SCHEMA "
               "finance GRANT SELECT ON TABLES TO PUBLIC'; SET LOCAL ROLE catalog_owner;",
               "default privileges in finance"},
        Escape{"DefaultPrivilegesEverywhere",
               "RESET ROLE; EXECUTE 'ALTER DEFAULT PRIVILEGES FOR ROLE finance_owner"
               " GRANT SELECT ON TABLES TO PUBLIC'; SET LOCAL ROLE catalog_owner;",
               "default privileges in finance"},
        Escape{"CommentOnTable",
               "RESET ROLE; EXECUTE 'COMMENT ON TABLE finance.ledger IS ''mine'''; SET LOCAL ROLE "
               "catalog_owner;",
               "a comment on finance.ledger"},
        Escape{"CommentOnFunction",
               "RESET ROLE; EXECUTE 'COMMENT ON FUNCTION finance.f() IS ''mine'''; SET LOCAL ROLE "
               "catalog_owner;",
               "a comment on finance.f()"},
        Escape{"CommentOnType",
               "RESET ROLE; EXECUTE 'COMMENT ON TYPE finance.mood IS ''mine'''; SET LOCAL ROLE "
               "catalog_owner;",
               "a comment on finance.mood"},
        Escape{"CommentOnSchema",
               "RESET ROLE; EXECUTE 'COMMENT ON SCHEMA finance IS ''mine'''; SET LOCAL ROLE "
               "catalog_owner;",
               "a comment on schema finance"},
        Escape{"Publication",
               "RESET ROLE; EXECUTE 'CREATE PUBLICATION p FOR TABLE finance.ledger'; SET LOCAL "
               "ROLE catalog_owner;",
               "publication of finance.ledger"},
        Escape{"PublicationOfSchema", "PERFORM finance.publish();",
               "publication of schema finance"},
        Escape{"ForeignTable",
               "RESET ROLE; EXECUTE 'ALTER FOREIGN TABLE finance.remote OPTIONS (ADD a ''1'')'; "
               "SET LOCAL ROLE catalog_owner;",
               "foreign table finance.remote"},
        Escape{"NextValue",
               "RESET ROLE; PERFORM nextval('finance.numbers'); SET LOCAL ROLE catalog_owner;",
               "it wrote rows of finance.numbers"},
        Escape{"SetValueInSubtransaction",
               "RESET ROLE; BEGIN PERFORM setval('finance.numbers', 9); RAISE division_by_zero; "
               "EXCEPTION WHEN division_by_zero THEN NULL; END; SET LOCAL ROLE catalog_owner;",
               "it wrote rows of finance.numbers"}),
    [](const auto& escape) { return std::string(escape.param.name); });

TEST_F(EngineTest, CalledFunctionIsUnderTheFullCheck) {
  db_.Execute("SET ROLE finance_owner; CREATE TABLE finance.ledger (id int);");
  // A right that no lock on the table shows.
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.a (id int);\nCREATE FUNCTION core.f() RETURNS int LANGUAGE "
                  "plpgsql AS $$ BEGIN RESET ROLE; EXECUTE 'GRANT SELECT ON finance.ledger TO "
                  "catalog_app'; SET LOCAL ROLE catalog_owner; RETURN 1; END $$;"},
                 {"down.sql", "DROP FUNCTION core.f();\nDROP TABLE core.a;"},
                 {"verify.sql", "SELECT id FROM core.a WHERE id < 0;"}});
  ASSERT_OK(Upgrade());
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "ALTER TABLE core.a ADD CONSTRAINT c CHECK (core.f() > 0);"},
                 {"down.sql", "ALTER TABLE core.a DROP CONSTRAINT c;"},
                 {"verify.sql", "SELECT id FROM core.a WHERE id < 0;"}});
  db_.Execute("SET ROLE catalog_owner; INSERT INTO core.a VALUES (1)");

  const auto refused = Upgrade();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_TAMPERED")));
  EXPECT_THAT(refused.status().ToString(), HasSubstr("finance.ledger"));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  EXPECT_EQ(db_.QueryText("SELECT has_table_privilege('catalog_app', 'finance.ledger', 'SELECT')"),
            "f");
}

TEST_F(EngineTest, ScriptThatNobodyReadsIsReported) {
  // Newer syntax than this server has, so the step fails; that it was sent unread is told all the
  // same.
  WriteRevision(
      "aaaa", "",
      {{"up.sql", "MERGE INTO core.a USING core.b ON true WHEN NOT MATCHED BY SOURCE THEN DELETE;"},
       {"down.sql", "SELECT 1;"},
       {"verify.sql", "SELECT 1 WHERE false;"}});

  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));

  EXPECT_THAT(sink_.Messages("warning"), ElementsAre(HasSubstr("catalog/aaaa_x/up.sql")));
  ASSERT_OK_AND_ASSIGN(const std::string script, NewEngine()->UpgradeScript("head", {}));
  EXPECT_THAT(script, HasSubstr("catalog/aaaa_x/up.sql is sent as one statement, unread"));
}

TEST_F(EngineTest, DeferredTriggerFiresWhereItIsSeen) {
  db_.Execute(
      "SET ROLE finance_owner; CREATE TABLE finance.log (i int); GRANT USAGE ON SCHEMA finance TO "
      "catalog_owner;"
      " GRANT INSERT ON finance.log TO catalog_owner;");
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.a (id int PRIMARY KEY);\n"
                  "CREATE FUNCTION core.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE "
                  "'INSERT INTO finance.log VALUES"
                  " (1)'; RETURN NULL; END $$;\n"
                  "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON core.a DEFERRABLE INITIALLY "
                  "DEFERRED FOR EACH ROW EXECUTE FUNCTION"
                  " core.f();\nINSERT INTO core.a VALUES (1);"},
                 {"down.sql", "DROP TABLE core.a; DROP FUNCTION core.f();"},
                 {"verify.sql", "SELECT id FROM core.a WHERE id < 0;"}});

  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_TAMPERED")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM finance.log"), "0");
  EXPECT_EQ(AppliedText(), "");
}

TEST_F(EngineTest, DeferredTriggerThatDefersAnotherIsSeenToo) {
  db_.Execute(
      "SET ROLE finance_owner; CREATE TABLE finance.log (i int); GRANT USAGE ON SCHEMA finance TO "
      "catalog_owner;"
      " GRANT INSERT ON finance.log TO catalog_owner;");
  WriteRevision(
      "aaaa", "",
      {{"up.sql",
        "CREATE TABLE core.a (id int PRIMARY KEY);\n"
        "CREATE FUNCTION core.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 1 THEN"
        " EXECUTE 'SET CONSTRAINTS ALL DEFERRED'; INSERT INTO core.a VALUES (2); ELSE"
        " EXECUTE 'INSERT INTO finance.log VALUES (1)'; END IF; RETURN NULL; END $$;\n"
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON core.a DEFERRABLE INITIALLY DEFERRED FOR EACH "
        "ROW EXECUTE FUNCTION"
        " core.f();\nINSERT INTO core.a VALUES (1);"},
       {"down.sql", "DROP TABLE core.a; DROP FUNCTION core.f();"},
       {"verify.sql", "SELECT id FROM core.a WHERE id < 0;"}});

  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_TAMPERED")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM finance.log"), "0");
}

TEST_F(EngineTest, HiddenCascadeIntoAnotherOwnersSchemaIsRolledBack) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  db_.Execute(
      "GRANT USAGE ON SCHEMA core TO finance_owner; GRANT SELECT ON core.t_aaaa TO finance_owner; "
      "SET ROLE"
      " finance_owner; CREATE VIEW finance.v AS SELECT id FROM core.t_aaaa;");
  WriteRevision(
      "bbbb", "down_revision: \"aaaa\"\n",
      {{"up.sql", "DO $$ BEGIN EXECUTE 'ALTER TABLE core.t_aaaa DROP COLUMN id CASCADE'; END $$;"},
       {"down.sql", "ALTER TABLE core.t_aaaa ADD COLUMN id uuid;"},
       {"verify.sql", "SELECT 1 WHERE false;"}});

  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_TAMPERED")));
  EXPECT_EQ(db_.QueryText("SELECT to_regclass('finance.v') IS NOT NULL"), "t");
}

TEST_F(EngineTest, DeclaredReferencesMayBePointedTo) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write("catalog/aaaa_x/up.sql",
                "CREATE TABLE core.t_aaaa (id uuid PRIMARY KEY);\nGRANT USAGE ON SCHEMA core TO "
                "orders_owner;\n"
                "GRANT SELECT, REFERENCES ON core.t_aaaa TO orders_owner;\n");
  WriteRevision("bbbb", "depends_on: \"aaaa\"\nreferences: \"core.t_aaaa\"\n",
                {{"up.sql",
                  "CREATE TABLE transactions.b (id uuid PRIMARY KEY REFERENCES core.t_aaaa);\n"
                  "DO $$ BEGIN EXECUTE 'CREATE TABLE transactions.c (id uuid REFERENCES "
                  "core.t_aaaa)'; END $$;"},
                 {"down.sql", "DROP TABLE transactions.c;\nDROP TABLE transactions.b;"},
                 {"verify.sql", "SELECT id FROM transactions.b WHERE id IS NULL;"}},
                "orders");

  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_THAT(Downgrade("base"), IsOk());
}

// Dropping the foreign key closes the table that it refers to.
TEST_F(EngineTest, DeclaredReferencesMayBeLetGoOf) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write("catalog/aaaa_x/up.sql",
                "CREATE TABLE core.t_aaaa (id uuid PRIMARY KEY);\nGRANT USAGE ON SCHEMA core TO "
                "orders_owner;\nGRANT SELECT, REFERENCES ON core.t_aaaa TO orders_owner;\n");
  WriteRevision(
      "bbbb", "depends_on: \"aaaa\"\nreferences: \"core.t_aaaa\"\n",
      {{"up.sql", "CREATE TABLE transactions.b (id uuid PRIMARY KEY REFERENCES core.t_aaaa);"},
       {"down.sql", "DROP TABLE transactions.b;"},
       {"verify.sql", "SELECT id FROM transactions.b WHERE id IS NULL;"}},
      "orders");
  WriteRevision("cccc", "down_revision: \"bbbb\"\nreferences: \"core.t_aaaa\"\n",
                {{"up.sql", "ALTER TABLE transactions.b DROP CONSTRAINT b_id_fkey;"},
                 {"down.sql",
                  "ALTER TABLE transactions.b ADD CONSTRAINT b_id_fkey FOREIGN KEY (id) "
                  "REFERENCES core.t_aaaa;"},
                 {"verify.sql", "SELECT id FROM transactions.b WHERE id IS NULL;"}},
                "orders");
  ASSERT_OK(Upgrade("bbbb"));
  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_THAT(Downgrade("base"), IsOk());
  EXPECT_THAT(Upgrade(), IsOk());
}

// The row of a table that may be pointed to says whether it has triggers, and who may use it.
TEST_F(EngineTest, DeclaredReferencesMayOnlyBePointedTo) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  for (const char* change : {"GRANT ALL ON core.t_aaaa TO orders_app",
                             "ALTER TABLE core.t_aaaa ENABLE ROW LEVEL SECURITY",
                             "ALTER TABLE core.t_aaaa SET (fillfactor = 50)"}) {
    WriteRevision("bbbb", "depends_on: \"aaaa\"\nreferences: \"core.t_aaaa\"\n",
                  {{"up.sql", "CREATE TABLE transactions.b (id uuid);\nDO $$ BEGIN RESET ROLE; " +
                                  std::string(change) + "; SET LOCAL ROLE orders_owner; END $$;"},
                   {"down.sql", "DROP TABLE transactions.b;"},
                   {"verify.sql", "SELECT id FROM transactions.b WHERE id IS NULL;"}},
                  "orders");

    const auto refused = Upgrade();

    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_TAMPERED")))
        << change;
    EXPECT_THAT(MessageOf(refused.status()), HasSubstr("it changed relation core.t_aaaa"));
  }
}

}  // namespace
}  // namespace lockstep::migration
