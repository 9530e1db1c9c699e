// How a script becomes steps.
#include "services/migration/importer/splitter.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/importer/statement_edits.h"
#include "tests/unit/services/migration/importer/planted_history.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SplitterTest : public ::testing::Test {
 protected:
  std::string Split(const std::string& text, bool in_transaction = true) {
    history_ = {};
    return PartsOf({.file = "f.sql", .text = text, .in_transaction = in_transaction}, history_);
  }
  History history_;
};

TEST_F(SplitterTest, TakesTheOuterTransactionOff) {
  EXPECT_EQ(Split("BEGIN;\nCREATE TABLE a (i int);\nCREATE TABLE b (i int);\nCOMMIT;\n"),
            "T: CREATE TABLE a (i int); CREATE TABLE b (i int);");
  EXPECT_EQ(Split("begin transaction; SELECT 1; end; START TRANSACTION; SELECT 2; commit work;"),
            "T: SELECT 1; | T: SELECT 2;");
  EXPECT_THAT(history_.problems, IsEmpty());
}

TEST_F(SplitterTest, RefusesOtherTransactionControlWithItsLine) {
  Split("SELECT 1;\nSAVEPOINT a;\nROLLBACK;\nSELECT 2;");
  EXPECT_THAT(TextsOf(history_.problems), ElementsAre("f.sql:2 IMPORT_TRANSACTION_CONTROL",
                                                      "f.sql:3 IMPORT_TRANSACTION_CONTROL"));
}

TEST_F(SplitterTest, HasNothingToDoForCommentsOnly) {
  EXPECT_EQ(Split(""), "");
  EXPECT_EQ(Split("-- nothing; here\n/* nor /* here; */ ; */\n;\n"), "");
}

TEST_F(SplitterTest, KeepsBodiesAndCommentsTogether) {
  EXPECT_EQ(
      Split(
          "/* one; /* two */ */\nDO $x$ BEGIN; PERFORM 1; END $x$;\r\n-- next\r\nSELECT ';';\r\n"),
      "T: /* one; /* two */ */ DO $x$ BEGIN; PERFORM 1; END $x$; -- next SELECT ';';");
}

TEST_F(SplitterTest, GivesStatementsOutsideTransactionsStepsOfTheirOwn) {
  EXPECT_EQ(
      Split("CREATE TABLE t (i int);\nCREATE INDEX CONCURRENTLY IF NOT EXISTS x ON t (i);\n"
            "CREATE INDEX CONCURRENTLY y ON ONLY app.t (i);\nALTER TABLE t ADD j int;\n"
            "DROP INDEX CONCURRENTLY IF EXISTS a, b.c, d;\nREINDEX INDEX CONCURRENTLY x;"),
      "T: CREATE TABLE t (i int); | N: CREATE INDEX CONCURRENTLY IF NOT EXISTS x ON "
      "\"public\".t (i); CREATE INDEX CONCURRENTLY y ON ONLY app.t (i); | T: ALTER TABLE t ADD "
      "j int; | N: DROP INDEX CONCURRENTLY IF EXISTS \"public\".a, b.c, \"public\".d; REINDEX "
      "INDEX CONCURRENTLY \"public\".x;");
}

TEST_F(SplitterTest, BuildsAnIndexWithoutANameInItsTransaction) {
  EXPECT_EQ(Split("CREATE INDEX CONCURRENTLY ON t (i);"), "T: CREATE INDEX  ON t (i);");
  EXPECT_THAT(TextsOf(history_.notes), ElementsAre("f.sql:1 IMPORT_INDEX_UNNAMED"));
}

TEST_F(SplitterTest, CommitsANewValueBeforeItIsUsed) {
  EXPECT_EQ(Split("ALTER TYPE mood ADD VALUE 'calm';\nUPDATE t SET m = 'calm';"),
            "T: ALTER TYPE mood ADD VALUE 'calm'; | T: UPDATE t SET m = 'calm';");
}

TEST_F(SplitterTest, CommitsRowsWhereTheToolHasNoTransaction) {
  const std::string sql = "UPDATE t SET i = 1;\nALTER TABLE t ADD j int;";
  EXPECT_EQ(Split(sql), "T: UPDATE t SET i = 1; ALTER TABLE t ADD j int;");
  EXPECT_EQ(Split(sql, false), "T: UPDATE t SET i = 1; | T: ALTER TABLE t ADD j int;");
  EXPECT_EQ(
      Split("SELECT 1; BEGIN; " + sql + " COMMIT; " + sql, false),
      "T: SELECT 1; | T: UPDATE t SET i = 1; ALTER TABLE t ADD j int; | T: UPDATE t SET i = 1; | "
      "T: ALTER TABLE t ADD j int;");
}

TEST_F(SplitterTest, GivesTheAdministratorWhatIsHis) {
  EXPECT_EQ(
      Split("CREATE SCHEMA app;\nCREATE EXTENSION citext;\nCREATE ROLE reader;\nSELECT 1;"),
      "P: CREATE SCHEMA app AUTHORIZATION \"owner\"; | P: CREATE EXTENSION citext; | P: CREATE "
      "ROLE reader; | T: SELECT 1;");
  Split("SELECT 1;\nCREATE DATABASE d;");
  EXPECT_THAT(TextsOf(history_.problems), ElementsAre("f.sql:2 IMPORT_OUTSIDE_TRANSACTION"));
}

TEST_F(SplitterTest, LeavesOwnersOut) {
  EXPECT_EQ(Split("CREATE TABLE t (i int);\nALTER TABLE t OWNER TO postgres;"),
            "T: CREATE TABLE t (i int);");
  EXPECT_THAT(TextsOf(history_.notes), ElementsAre("f.sql:2 IMPORT_OWNER_LEFT_OUT"));
}

TEST_F(SplitterTest, MakesSettingsLocalAndKeepsThemForLaterParts) {
  EXPECT_EQ(
      Split("SET search_path TO app, public;\nSELECT pg_catalog.set_config('lock_timeout', "
            "'1s', false);\nCREATE INDEX CONCURRENTLY x ON t (i);\nRESET lock_timeout;"),
      "T: SET LOCAL search_path TO app, public; SELECT "
      "pg_catalog.set_config('lock_timeout', '1s', true); | N: CREATE INDEX CONCURRENTLY x ON "
      "\"app\".t (i); | T: SET LOCAL search_path TO app, public; SELECT "
      "pg_catalog.set_config('lock_timeout', '1s', true); SET LOCAL lock_timeout TO DEFAULT;");
  EXPECT_EQ(Split("SET SESSION work_mem = '1MB'; SET LOCAL x.y = 'z'; SET TIME ZONE 'UTC';"),
            "T: SET LOCAL work_mem = '1MB'; SET LOCAL x.y = 'z'; SET LOCAL TIME ZONE 'UTC';");
  Split("SELECT 1;\nRESET ALL;");
  EXPECT_THAT(TextsOf(history_.problems), ElementsAre("f.sql:2 IMPORT_SETTING"));
}

TEST_F(SplitterTest, TakesRowsOfCopyOut) {
  EXPECT_EQ(Split("\\restrict abc\nCREATE TABLE t (a text);\r\nCOPY t (a) FROM stdin ;\r\nO'Brien; "
                  "\\N\r\n$$\r\n\\.\r\n\r\nSELECT 1;\n\\unrestrict abc\n"),
            "T: CREATE TABLE t (a text); | T: COPY t (a) FROM stdin; [O'Brien; \\N\n$$\n] | T: "
            "SELECT 1;");
  EXPECT_THAT(history_.problems, IsEmpty());
  EXPECT_THAT(history_.notes, IsEmpty());
}

TEST_F(SplitterTest, RefusesWhatOnlyPsqlUnderstands) {
  Split("\\set ON_ERROR_STOP on\n\\i other.sql\nSELECT 1;\n\\echo done\nCOPY t TO stdout;\n");
  EXPECT_THAT(TextsOf(history_.problems),
              ElementsAre("f.sql:2 IMPORT_PSQL_COMMAND", "f.sql:5 IMPORT_COPY_STREAM"));
  EXPECT_THAT(TextsOf(history_.notes),
              ElementsAre("f.sql:1 IMPORT_PSQL_LEFT_OUT", "f.sql:4 IMPORT_PSQL_LEFT_OUT"));
}

TEST_F(SplitterTest, SendsWhatTheParserCannotReadAsItIs) {
  EXPECT_EQ(Split("BEGIN;\nCREATE TABLE a (i int);\nFUTURE SYNTAX HERE;\nCOMMIT;\n"),
            "T: CREATE TABLE a (i int); FUTURE SYNTAX HERE;");
  EXPECT_THAT(TextsOf(history_.notes), ElementsAre("f.sql:3 IMPORT_OPAQUE"));
}

TEST_F(SplitterTest, ReplacesVariablesOfPsql) {
  History history;
  const SourceScript script{.file = "f.sql",
                            .text =
                                "SELECT :'who', a::int, b[1:2], :\"tab\", ':x' FROM :schema.t;\n"
                                "SELECT :gone;"};
  const ServerText text =
      TakeClientParts(script, true, {{"who", "O'Brien"}, {"tab", "T"}, {"schema", "app"}}, history);
  EXPECT_EQ(LinesOf(text.text)[0].text,
            "SELECT 'O''Brien', a::int, b[1:2], \"T\", ':x' FROM app.t;");
  EXPECT_THAT(TextsOf(history.problems), ElementsAre("f.sql:2 IMPORT_PLACEHOLDER_MISSING"));
}

TEST(StatementEdits, GiveSchemasToTheService) {
  EXPECT_EQ(OwnedBy("CREATE SCHEMA a", "o"), "CREATE SCHEMA a AUTHORIZATION \"o\"");
  EXPECT_EQ(OwnedBy("CREATE SCHEMA IF NOT EXISTS \"A b\" AUTHORIZATION x", "o"),
            "CREATE SCHEMA IF NOT EXISTS \"A b\" AUTHORIZATION \"o\"");
  EXPECT_EQ(OwnedBy("CREATE SCHEMA AUTHORIZATION x", "o"), "CREATE SCHEMA x AUTHORIZATION \"o\"");
  EXPECT_EQ(OwnedBy("CREATE SCHEMA a CREATE TABLE t (i int)", "o"),
            "CREATE SCHEMA a AUTHORIZATION \"o\" CREATE TABLE t (i int)");
  EXPECT_EQ(OwnedBy("CREATE SCHEMA a AUTHORIZATION x CREATE TABLE t (i int)", "o"),
            "CREATE SCHEMA a AUTHORIZATION \"o\" CREATE TABLE t (i int)");
}

TEST(StatementEdits, FindTheSchemaOfASetting) {
  EXPECT_EQ(SchemaOfSetting("SET search_path = app, public"), "app");
  EXPECT_EQ(SchemaOfSetting("set local SEARCH_PATH to \"$user\", \"App\""), "App");
  EXPECT_EQ(SchemaOfSetting("SELECT pg_catalog.set_config('search_path', '', false)"), "");
  EXPECT_EQ(SchemaOfSetting("SELECT set_config('search_path', 'app', false)"), "app");
  EXPECT_EQ(SchemaOfSetting("SET work_mem = '1MB'"), std::nullopt);
}

}  // namespace
}  // namespace lockstep::migration
