#include "services/migration/engine/sql.h"

#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Script Read(const std::string& text) {
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  Script script = ReadScript("a/up.sql", text, problems, warnings);
  EXPECT_THAT(problems, IsEmpty());
  return script;
}

TEST(ReadScriptTest, SplitsByTheParser) {
  struct Case {
    const char* text;
    std::vector<std::string> statements;
    std::vector<int> lines;
  };
  const Case cases[] = {
      {"", {}, {}},
      {"-- only a comment\n/* and another */\n", {}, {}},
      {";;\n;", {}, {}},
      {"SELECT 1", {"SELECT 1"}, {1}},
      {"SELECT 1;", {"SELECT 1"}, {1}},
      {"\n\n  SELECT 1 ;\n-- why\nSELECT 2; -- end\n", {"SELECT 1", "SELECT 2"}, {3, 5}},
      {"SELECT ';';SELECT $$a;b$$;", {"SELECT ';'", "SELECT $$a;b$$"}, {1, 1}},
      {"SELECT /* a; b */ 1;\n/* c;\n */ SELECT 2", {"SELECT /* a; b */ 1", "SELECT 2"}, {1, 3}},
      {"SELECT \"a;b\" FROM core.t; SELECT 'it''s; so'",
       {"SELECT \"a;b\" FROM core.t", "SELECT 'it''s; so'"},
       {1, 1}},
      {"CREATE FUNCTION core.f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; "
       "END;\nSELECT 3",
       {"CREATE FUNCTION core.f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "SELECT 3"},
       {1, 2}},
      {"DO $x$ BEGIN PERFORM 1; END $x$;\nSELECT 'ä;ö';\nSELECT 'ü'",
       {"DO $x$ BEGIN PERFORM 1; END $x$", "SELECT 'ä;ö'", "SELECT 'ü'"},
       {1, 2, 3}},
  };
  for (const Case& c : cases) {
    const Script script = Read(c.text);
    EXPECT_EQ(script.statements, c.statements) << c.text;
    EXPECT_EQ(script.lines, c.lines) << c.text;
    EXPECT_FALSE(script.is_opaque) << c.text;
    EXPECT_EQ(script.empty(), c.statements.empty()) << c.text;
  }
}

TEST(ReadScriptTest, StripsTheByteOrderMark) {
  const Script script = Read("\xEF\xBB\xBFSELECT 1;\n");
  EXPECT_EQ(script.text, "SELECT 1;\n");
  EXPECT_THAT(script.statements, ElementsAre("SELECT 1"));
  EXPECT_EQ(script.checksum, Read("SELECT 1;").checksum);
}

TEST(ReadScriptTest, SendsWhatTheParserCannotReadWhole) {
  // MERGE .. WHEN NOT MATCHED BY SOURCE is PostgreSQL 17.
  const std::string text =
      "\nSELECT 'ä';\nMERGE INTO core.a USING core.b ON true WHEN NOT MATCHED BY SOURCE THEN "
      "DELETE;\n";
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  const Script script = ReadScript("a/up.sql", text, problems, warnings);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_TRUE(script.is_opaque);
  ASSERT_EQ(script.statements.size(), 1U);
  EXPECT_EQ(script.statements[0], text.substr(1, text.size() - 2));
  EXPECT_THAT(script.lines, ElementsAre(2));
  EXPECT_THAT(script.facts.tags, IsEmpty());
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].line, 3);
  EXPECT_EQ(warnings[0].column, 57);
  EXPECT_THAT(warnings[0].text(),
              HasSubstr("a/up.sql:3:57: the parser of PostgreSQL 15 cannot read"));
  EXPECT_THAT(warnings[0].text(), HasSubstr("SQL_OPAQUE"));
}

TEST(ReadScriptTest, SendsWhatEvenTheScannerCannotReadWhole) {
  const Script script = Read(" SELECT 'abc\n");
  EXPECT_TRUE(script.is_opaque);
  EXPECT_THAT(script.statements, ElementsAre("SELECT 'abc"));
}

TEST(ReadScriptTest, RefusesBytesThatNoScriptMayHold) {
  struct Case {
    std::string text;
    const char* code;
    int line;
  };
  const Case cases[] = {
      {std::string("SELECT 1;\nSELECT '\0';", 21), "SQL_NUL_BYTE", 2},
      {"SELECT '\xff';", "SQL_NOT_UTF8", 1},
      {"SELECT 1;\n\nSELECT '\xc3';", "SQL_NOT_UTF8", 3},
      {"SELECT '\xc0\xaf';", "SQL_NOT_UTF8", 1},          // overlong
      {"SELECT '\xed\xa0\x80';", "SQL_NOT_UTF8", 1},      // surrogate
      {"SELECT '\xf5\x80\x80\x80';", "SQL_NOT_UTF8", 1},  // above U+10FFFF
      {"SELECT '\xe2\x82", "SQL_NOT_UTF8", 1},            // cut off
  };
  for (const Case& c : cases) {
    std::vector<Problem> problems;
    std::vector<Problem> warnings;
    const Script script = ReadScript("a/up.sql", c.text, problems, warnings);
    ASSERT_EQ(problems.size(), 1U) << c.text;
    EXPECT_EQ(problems[0].code, c.code) << c.text;
    EXPECT_EQ(problems[0].line, c.line) << c.text;
    EXPECT_TRUE(script.empty());
    EXPECT_THAT(ReadScript("a/up.sql", c.text),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("SCRIPT_INVALID")));
  }
  EXPECT_OK(ReadScript("a", "SELECT 'ä€😀'"));
}

TEST(ScriptFactsTest, NamesWhatIsDroppedAndDestroyed) {
  const ScriptFacts facts =
      Read(
          "DROP TABLE core.b, core.a;\n"
          "ALTER TABLE products.inventory DROP COLUMN x, ADD COLUMN z int, DROP COLUMN IF EXISTS "
          "y;\n"
          "UPDATE core.c SET a = 1 FROM core.d;\n"
          "WITH gone AS (DELETE FROM core.e RETURNING id) INSERT INTO core.f SELECT id FROM gone;\n"
          "TRUNCATE core.g, core.h;\n"
          "DROP VIEW core.v; DROP MATERIALIZED VIEW analytics.m;\n")
          .facts;
  EXPECT_THAT(facts.tables_dropped, ElementsAre("analytics.m", "core.a", "core.b"));
  EXPECT_THAT(facts.columns_dropped, ElementsAre(ColumnName{"products.inventory", "x"},
                                                 ColumnName{"products.inventory", "y"}));
  EXPECT_THAT(facts.rows_destroyed_in, ElementsAre("core.c", "core.e", "core.g", "core.h"));
  EXPECT_THAT(facts.written,
              ElementsAre("analytics.m", "core.a", "core.b", "core.c", "core.e", "core.f", "core.g",
                          "core.h", "core.v", "products.inventory"));
  EXPECT_THAT(facts.read, ElementsAre("core.d"));
  EXPECT_THAT(facts.schemas, ElementsAre("analytics", "core", "products"));
  EXPECT_THAT(facts.tags, ElementsAre("DROP TABLE", "ALTER TABLE", "UPDATE", "INSERT",
                                      "TRUNCATE TABLE", "DROP VIEW", "DROP MATERIALIZED VIEW"));
  EXPECT_FALSE(facts.has_hidden_code);
}

TEST(ScriptFactsTest, SeesReadersOfEveryKind) {
  struct Case {
    const char* text;
    std::vector<std::string> read;
  };
  const Case cases[] = {
      {"SELECT 1 FROM core.a JOIN core.b USING (id)", {"core.a", "core.b"}},
      {"SELECT 1 FROM core.a WHERE EXISTS (SELECT 1 FROM core.b)", {"core.a", "core.b"}},
      {"WITH x AS (SELECT 1 FROM core.a) SELECT * FROM x", {"core.a"}},
      {"CREATE VIEW core.v AS SELECT 1 FROM core.a", {"core.a"}},
      {"CREATE TABLE core.t AS SELECT 1 FROM core.a", {"core.a"}},
      {"CREATE MATERIALIZED VIEW core.t AS SELECT 1 FROM core.a", {"core.a"}},
      {"CREATE TABLE core.t (a int REFERENCES core.a)", {"core.a"}},
      {"ALTER TABLE core.t ADD FOREIGN KEY (a) REFERENCES core.a", {"core.a"}},
      {"CREATE TABLE core.t (LIKE core.a)", {"core.a"}},
      {"INSERT INTO core.t SELECT * FROM core.a", {"core.a"}},
      {"DELETE FROM core.t USING core.a", {"core.a"}},
      {"MERGE INTO core.t USING core.a ON true WHEN MATCHED THEN DELETE", {"core.a"}},
      {"SELECT 1 FROM core.a TABLESAMPLE system (1)", {"core.a"}},
      {"SELECT 1 FROM core.a o FOR UPDATE OF o", {"core.a"}},
      {"SELECT nextval('core.a')", {"core.a"}},
      {"SELECT 'core.a'::regclass", {"core.a"}},
      {"SELECT 1 FROM core.a UNION SELECT 2 FROM core.b", {"core.a", "core.b"}},
      {"SELECT 1 FROM (SELECT 1 FROM core.a) s, LATERAL (SELECT 2 FROM core.b) r",
       {"core.a", "core.b"}},
  };
  for (const Case& c : cases) EXPECT_EQ(Read(c.text).facts.read, c.read) << c.text;
}

TEST(ScriptFactsTest, KnowsWhatIsAboutWholeSchemas) {
  for (const char* text : {"GRANT USAGE ON SCHEMA core TO a", "COMMENT ON SCHEMA core IS 'c'",
                           "GRANT SELECT ON ALL TABLES IN SCHEMA core TO a",
                           "REVOKE USAGE ON ALL SEQUENCES IN SCHEMA core FROM a",
                           "CREATE TABLE core.t (n int); GRANT USAGE ON SCHEMA core TO a"}) {
    EXPECT_TRUE(Read(text).facts.changes_schemas) << text;
  }
  for (const char* text : {"CREATE TABLE core.t (n int)", "GRANT SELECT ON core.t TO a",
                           "CREATE TYPE core.m AS ENUM ()", "COMMENT ON COLUMN core.t.n IS 'c'",
                           "CREATE INDEX i ON core.t (n)", "GRANT USAGE ON SEQUENCE core.s TO a",
                           "CREATE SEQUENCE core.s"}) {
    EXPECT_FALSE(Read(text).facts.changes_schemas) << text;
  }
}

TEST(ScriptFactsTest, KnowsWhatHidesCode) {
  for (const char* text :
       {"DO $$ BEGIN END $$", "CALL core.p()",
        "CREATE FUNCTION core.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT core.f()",
        "ALTER TABLE core.a ADD COLUMN c int DEFAULT core.f()",
        "CREATE INDEX i ON core.a (core.f(n))", "CREATE INDEX i ON core.a (n core.int_ops)",
        "ALTER TABLE core.a ADD CHECK (n OPERATOR(core.+) 1 > 0)",
        "SELECT 1 ORDER BY 1 USING OPERATOR(core.<)", "SELECT 1 OPERATOR(core.=) ANY (SELECT 1)",
        "ALTER TABLE core.a ADD COLUMN c core.checked", "SELECT 1::core.checked",
        "DROP TYPE core.mood CASCADE"}) {
    EXPECT_TRUE(Read(text).facts.has_hidden_code) << text;
  }
  for (const char* text :
       {"SELECT 1", "SELECT lower('a'), pg_catalog.now(), 1::numeric(5,2)",
        "ALTER TABLE core.a ADD COLUMN c timestamptz DEFAULT now()", "DROP TABLE core.a",
        "CREATE INDEX i ON core.a (n text_pattern_ops, lower(t))",
        "CREATE TYPE core.mood AS ENUM ('a')", "DROP TYPE core.mood", "DROP FUNCTION core.f(int)",
        "SELECT nextval('core.s'), 'core.s'::regclass",
        "CREATE TABLE core.a (n text COLLATE core.c)",
        "SELECT 1::information_schema.cardinal_number"}) {
    EXPECT_FALSE(Read(text).facts.has_hidden_code) << text;
  }
}

TEST(ScriptFactsTest, ListsIndexesBuiltConcurrently) {
  const ScriptFacts facts = Read(
                                "CREATE INDEX a_idx ON core.t (a);"
                                "CREATE UNIQUE INDEX CONCURRENTLY b_idx ON core.t (b) WHERE c;")
                                .facts;
  ASSERT_EQ(facts.concurrent_indexes.size(), 1U);
  EXPECT_EQ(facts.concurrent_indexes[0].schema, "core");
  EXPECT_EQ(facts.concurrent_indexes[0].name, "b_idx");
  EXPECT_EQ(facts.concurrent_indexes[0].table, "t");
}

TEST(ReadIndexDefinitionTest, AcceptsEverySpellingThatPostgresPrintsBack) {
  struct Case {
    const char* written;
    const char* printed;  // by pg_get_indexdef()
  };
  const Case cases[] = {
      {"CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON core.t (a)",
       "CREATE INDEX i ON core.t USING btree (a)"},
      {"create unique index concurrently i on core.t (a asc, b desc nulls first)",
       "CREATE UNIQUE INDEX i ON core.t USING btree (a, b DESC)"},
      {"CREATE INDEX i ON core.t (a NULLS FIRST)",
       "CREATE INDEX i ON core.t USING btree (a NULLS FIRST)"},
      {"CREATE INDEX i ON core.t (lower(name)) WHERE status = 'open' AND gone IS NULL",
       "CREATE INDEX i ON core.t USING btree (lower(name)) WHERE (((status)::text = 'open'::text) "
       "AND (gone IS NULL))"},
      {"CREATE INDEX i ON core.t USING gin (tags) INCLUDE (x)",
       "CREATE INDEX i ON core.t USING gin (tags) INCLUDE (x)"},
  };
  for (const Case& c : cases) {
    ASSERT_OK_AND_ASSIGN(const IndexBuild written, ReadIndexDefinition(c.written));
    ASSERT_OK_AND_ASSIGN(const IndexBuild printed, ReadIndexDefinition(c.printed));
    EXPECT_EQ(written, printed) << c.written << "\n" << written.definition << printed.definition;
  }
}

TEST(ReadIndexDefinitionTest, TellsDifferentIndexesApart) {
  const char* const definitions[] = {
      "CREATE INDEX i ON core.t (a)",
      "CREATE UNIQUE INDEX i ON core.t (a)",
      "CREATE INDEX i ON core.t (a DESC)",
      "CREATE INDEX i ON core.t (a NULLS FIRST)",
      "CREATE INDEX i ON core.t (a, b)",
      "CREATE INDEX i ON core.t (b, a)",
      "CREATE INDEX i ON core.t (a) INCLUDE (b)",
      "CREATE INDEX i ON core.t (a) WHERE b",
      "CREATE INDEX i ON core.t (a) WHERE c",
      "CREATE INDEX i ON core.t USING hash (a)",
      "CREATE INDEX i ON core.u (a)",
      "CREATE INDEX i ON products.t (a)",
      "CREATE INDEX j ON core.t (a)",
      "CREATE INDEX i ON core.t (a text_pattern_ops)",
      "CREATE INDEX i ON core.t (lower(a))",
      "CREATE INDEX i ON core.t (a) WHERE b = 'x'",
      "CREATE INDEX i ON core.t (a) WHERE b = 'y'",
  };
  for (const char* one : definitions) {
    for (const char* other : definitions) {
      ASSERT_OK_AND_ASSIGN(const IndexBuild a, ReadIndexDefinition(one));
      ASSERT_OK_AND_ASSIGN(const IndexBuild b, ReadIndexDefinition(other));
      EXPECT_EQ(a == b, one == other) << one << "\n" << other;
    }
  }
}

TEST(ReadIndexDefinitionTest, RefusesOtherStatements) {
  for (const char* text :
       {"", "SELECT 1", "CREATE INDEX", "CREATE INDEX i ON core.t (a); SELECT 1"}) {
    EXPECT_THAT(ReadIndexDefinition(text),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("NOT_AN_INDEX_DEFINITION")))
        << text;
  }
}

}  // namespace
}  // namespace lockstep::migration
