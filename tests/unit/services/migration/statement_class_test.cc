#include "services/migration/engine/statement_class.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

using ::testing::IsEmpty;

std::vector<StatementLocks> Classify(const std::string& text) {
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  return ClassifyStatements(ReadScript("a/up.sql", text, problems, warnings));
}

std::string_view ReachText(Reach reach) {
  switch (reach) {
    case Reach::kItself:
      return "";
    case Reach::kHeirs:
      return "/heirs";
    case Reach::kDefaultPartition:
      return "/default";
    case Reach::kReferenced:
      return "/referenced";
    case Reach::kDependents:
      return "/dependents";
    case Reach::kIndexes:
      return "/indexes";
    case Reach::kIndexedTable:
      return "/table";
  }
  return "?";
}

std::string_view ClassText(StatementClass statement_class) {
  switch (statement_class) {
    case StatementClass::kInstant:
      return "instant";
    case StatementClass::kOnlineBuild:
      return "online";
    case StatementClass::kData:
      return "data";
    case StatementClass::kForbiddenOnline:
      return "forbidden";
  }
  return "?";
}

// "instant: core.t ACCESS EXCLUSIVE, core.t/referenced(k) ACCESS EXCLUSIVE". Heirs are left out
// where the relation itself has the same lock.
std::string TextOf(const StatementLocks& statement) {
  std::string text(ClassText(statement.statement_class));
  const char* separator = ": ";
  for (const RelationLock& lock : statement.locks) {
    if (lock.reach == Reach::kHeirs) continue;
    text += separator + lock.qualified() + std::string(ReachText(lock.reach)) +
            (lock.part.empty() ? "" : "(" + lock.part + ")") + " " + std::string(ToText(lock.mode));
    separator = ", ";
  }
  return text;
}

struct Case {
  const char* sql;
  const char* last;  // TextOf() of the last statement
};

void Check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const std::vector<StatementLocks> statements = Classify(c.sql);
    ASSERT_FALSE(statements.empty()) << c.sql;
    EXPECT_EQ(TextOf(statements.back()), c.last) << c.sql;
    EXPECT_EQ(statements.back().statement_class == StatementClass::kForbiddenOnline,
              !statements.back().work.empty())
        << c.sql;
  }
}

TEST(StatementClassTest, Columns) {
  Check({
      {"ALTER TABLE core.t ADD COLUMN z int", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z int NOT NULL DEFAULT 5",
       "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z timestamptz DEFAULT now()",
       "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z date DEFAULT CURRENT_DATE - 1",
       "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z numeric(10,2), ADD COLUMN IF NOT EXISTS a text",
       "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z int NOT NULL", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z uuid DEFAULT gen_random_uuid()",
       "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z timestamptz DEFAULT clock_timestamp()",
       "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z int DEFAULT core.f()",
       "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z bigint GENERATED ALWAYS AS IDENTITY",
       "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z bigserial", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z int GENERATED ALWAYS AS (a + 1) STORED",
       "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z int CHECK (z > 0)", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z int UNIQUE", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z core.dpos", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD COLUMN z bigint REFERENCES core.parent (id)",
       "instant: core.parent SHARE ROW EXCLUSIVE, core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t DROP COLUMN d",
       "instant: core.t/referenced(d) ACCESS EXCLUSIVE, core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t DROP COLUMN d CASCADE",
       "instant: core.t/referenced(d) ACCESS EXCLUSIVE, core.t/dependents ACCESS EXCLUSIVE, core.t "
       "ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t RENAME COLUMN d TO d2", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER COLUMN a SET DEFAULT 1", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER COLUMN a DROP NOT NULL", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER COLUMN a SET NOT NULL", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER COLUMN g DROP EXPRESSION", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER COLUMN a SET STATISTICS 500",
       "instant: core.t SHARE UPDATE EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER COLUMN a SET (n_distinct = 100)",
       "instant: core.t SHARE UPDATE EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER COLUMN a SET STATISTICS 10, ADD COLUMN z int",
       "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER COLUMN a TYPE bigint",
       "forbidden: core.t/referenced(a) ACCESS EXCLUSIVE, core.t ACCESS EXCLUSIVE"},
  });
}

TEST(StatementClassTest, Constraints) {
  Check({
      {"ALTER TABLE core.t ADD CONSTRAINT k CHECK (a > 0)", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD CONSTRAINT k CHECK (a > 0) NOT VALID",
       "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t VALIDATE CONSTRAINT k",
       "online: core.t/referenced(k) ROW SHARE, core.t SHARE UPDATE EXCLUSIVE"},
      {"ALTER TABLE core.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES core.parent (id)",
       "forbidden: core.parent SHARE ROW EXCLUSIVE, core.t SHARE ROW EXCLUSIVE"},
      {"ALTER TABLE core.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES core.parent (id) NOT VALID",
       "instant: core.parent SHARE ROW EXCLUSIVE, core.t SHARE ROW EXCLUSIVE"},
      {"ALTER TABLE core.t DROP CONSTRAINT k",
       "instant: core.t/referenced(k) ACCESS EXCLUSIVE, core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ALTER CONSTRAINT k DEFERRABLE", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t RENAME CONSTRAINT k TO k2", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD CONSTRAINT k UNIQUE (a)", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD CONSTRAINT k UNIQUE USING INDEX t_uq",
       "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD PRIMARY KEY (id)", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ADD CONSTRAINT k EXCLUDE (a WITH =)",
       "forbidden: core.t ACCESS EXCLUSIVE"},
  });
}

TEST(StatementClassTest, Indexes) {
  Check({
      {"CREATE INDEX i ON core.t (c)", "forbidden: core.t SHARE"},
      {"CREATE UNIQUE INDEX IF NOT EXISTS i ON core.t (c)", "forbidden: core.t SHARE"},
      {"CREATE INDEX CONCURRENTLY i ON core.t (c)", "online: core.t SHARE UPDATE EXCLUSIVE"},
      {"DROP INDEX core.i", "instant: core.i ACCESS EXCLUSIVE, core.i/table ACCESS EXCLUSIVE"},
      {"DROP INDEX CONCURRENTLY core.i",
       "online: core.i SHARE UPDATE EXCLUSIVE, core.i/table SHARE UPDATE EXCLUSIVE"},
      {"ALTER INDEX core.i RENAME TO j", "instant: core.i SHARE UPDATE EXCLUSIVE"},
      {"ALTER INDEX core.i SET (fillfactor = 70)", "instant: core.i SHARE UPDATE EXCLUSIVE"},
      {"REINDEX INDEX core.i", "forbidden: core.i ACCESS EXCLUSIVE, core.i/table SHARE"},
      {"REINDEX TABLE core.t", "forbidden: core.t SHARE, core.t/indexes ACCESS EXCLUSIVE"},
      {"REINDEX (CONCURRENTLY) TABLE core.t", "online: core.t SHARE UPDATE EXCLUSIVE"},
      {"REINDEX INDEX CONCURRENTLY core.i",
       "online: core.i SHARE UPDATE EXCLUSIVE, core.i/table SHARE UPDATE EXCLUSIVE"},
      {"CLUSTER core.t USING i", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t CLUSTER ON i", "instant: core.t SHARE UPDATE EXCLUSIVE"},
      {"CREATE STATISTICS core.s ON a, n FROM core.t", "instant: core.t SHARE UPDATE EXCLUSIVE"},
      {"ANALYZE core.t", "online: core.t SHARE UPDATE EXCLUSIVE"},
      {"VACUUM FULL core.t", "forbidden: core.t ACCESS EXCLUSIVE"},
  });
}

TEST(StatementClassTest, TablesAndWhatBelongsToThem) {
  Check({
      {"CREATE TABLE core.n (id int, p bigint REFERENCES core.parent (id))",
       "instant: core.parent SHARE ROW EXCLUSIVE"},
      {"CREATE TABLE core.n (id int, FOREIGN KEY (id) REFERENCES core.parent (id))",
       "instant: core.parent SHARE ROW EXCLUSIVE"},
      {"CREATE TABLE core.n (LIKE core.t INCLUDING ALL)", "instant"},
      {"CREATE TABLE core.n AS SELECT * FROM core.t", "data"},
      {"DROP TABLE core.child",
       "instant: core.child ACCESS EXCLUSIVE, core.child/referenced ACCESS EXCLUSIVE"},
      {"DROP TABLE core.t CASCADE",
       "instant: core.t ACCESS EXCLUSIVE, core.t/referenced ACCESS EXCLUSIVE, core.t/dependents "
       "ACCESS EXCLUSIVE"},
      {"TRUNCATE core.t", "instant: core.t ACCESS EXCLUSIVE"},
      {"TRUNCATE core.t CASCADE",
       "instant: core.t ACCESS EXCLUSIVE, core.t/dependents ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t RENAME TO t9", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t SET SCHEMA transactions", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t SET (fillfactor = 80, autovacuum_enabled = false)",
       "instant: core.t SHARE UPDATE EXCLUSIVE"},
      {"ALTER TABLE core.t SET (user_catalog_table = true)", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t SET UNLOGGED", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t SET TABLESPACE pg_default", "forbidden: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t REPLICA IDENTITY FULL", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.t ENABLE ROW LEVEL SECURITY", "instant: core.t ACCESS EXCLUSIVE"},
      {"CREATE POLICY p ON core.t USING (true)", "instant: core.t ACCESS EXCLUSIVE"},
      {"DROP POLICY p ON core.t", "instant: core.t ACCESS EXCLUSIVE"},
      {"CREATE TRIGGER r BEFORE UPDATE ON core.t FOR EACH ROW EXECUTE FUNCTION core.f()",
       "instant: core.t SHARE ROW EXCLUSIVE"},
      {"ALTER TABLE core.t DISABLE TRIGGER ALL", "instant: core.t SHARE ROW EXCLUSIVE"},
      {"DROP TRIGGER r ON core.t", "instant: core.t ACCESS EXCLUSIVE"},
      {"ALTER TRIGGER r ON core.t RENAME TO q", "instant: core.t ACCESS EXCLUSIVE"},
      {"CREATE RULE r AS ON DELETE TO core.t DO ALSO NOTHING", "instant: core.t ACCESS EXCLUSIVE"},
      {"COMMENT ON TABLE core.t IS 'x'", "instant: core.t SHARE UPDATE EXCLUSIVE"},
      {"COMMENT ON COLUMN core.t.a IS 'x'", "instant: core.t SHARE UPDATE EXCLUSIVE"},
      {"GRANT SELECT ON core.t TO orders_app", "instant"},
      {"LOCK TABLE core.t", "instant: core.t ACCESS EXCLUSIVE"},
      {"LOCK TABLE core.t IN SHARE MODE", "instant: core.t SHARE"},
  });
}

TEST(StatementClassTest, PartitionsViewsAndTheRest) {
  Check({
      {"ALTER TABLE core.p ATTACH PARTITION core.n FOR VALUES FROM (10) TO (20)",
       "forbidden: core.p SHARE UPDATE EXCLUSIVE, core.n ACCESS EXCLUSIVE, core.p/default ACCESS "
       "EXCLUSIVE"},
      {"CREATE TABLE core.n PARTITION OF core.p FOR VALUES FROM (30) TO (40)",
       "forbidden: core.p ACCESS EXCLUSIVE, core.p/default ACCESS EXCLUSIVE"},
      {"ALTER TABLE core.p DETACH PARTITION core.p1",
       "instant: core.p ACCESS EXCLUSIVE, core.p1 ACCESS EXCLUSIVE, core.p/default ACCESS "
       "EXCLUSIVE"},
      {"ALTER TABLE core.p DETACH PARTITION core.p1 CONCURRENTLY",
       "online: core.p SHARE UPDATE EXCLUSIVE, core.p1 ACCESS EXCLUSIVE"},
      {"CREATE VIEW core.v AS SELECT * FROM core.t", "instant"},
      {"CREATE OR REPLACE VIEW core.v AS SELECT a FROM core.t", "instant: core.v ACCESS EXCLUSIVE"},
      {"DROP VIEW core.v", "instant: core.v ACCESS EXCLUSIVE"},
      {"ALTER VIEW core.v RENAME TO w", "instant: core.v ACCESS EXCLUSIVE"},
      {"CREATE MATERIALIZED VIEW core.m AS SELECT * FROM core.t", "data"},
      {"REFRESH MATERIALIZED VIEW core.m", "forbidden: core.m ACCESS EXCLUSIVE"},
      {"REFRESH MATERIALIZED VIEW CONCURRENTLY core.m", "online: core.m EXCLUSIVE"},
      {"ALTER TYPE core.st ADD VALUE 'z'", "instant"},
      {"ALTER DOMAIN core.d ADD CONSTRAINT k CHECK (VALUE > 0)", "forbidden"},
      {"ALTER DOMAIN core.d ADD CONSTRAINT k CHECK (VALUE > 0) NOT VALID", "instant"},
      {"ALTER SEQUENCE core.sq INCREMENT 2", "instant: core.sq SHARE ROW EXCLUSIVE"},
      {"CREATE OR REPLACE FUNCTION core.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "instant"},
      {"SELECT count(*) FROM core.t", "data"},
      {"INSERT INTO core.t VALUES (1)", "data: core.t ROW EXCLUSIVE"},
      {"UPDATE core.t SET a = 1", "data: core.t ROW EXCLUSIVE"},
      {"DO $$ BEGIN PERFORM 1; END $$", "data"},
  });
}

TEST(StatementClassTest, NobodyHoldsWhatTheScriptItselfMade) {
  Check({
      {"CREATE TABLE core.n (id int); CREATE INDEX i ON core.n (id)", "instant"},
      {"CREATE TABLE core.n (id int); ALTER TABLE core.n ADD PRIMARY KEY (id)", "instant"},
      {"CREATE TABLE core.n (id int); ALTER TABLE core.n ADD FOREIGN KEY (id) REFERENCES core.p",
       "instant: core.p SHARE ROW EXCLUSIVE"},
      // It may have been there.
      {"CREATE TABLE IF NOT EXISTS core.n (id int); CREATE INDEX i ON core.n (id)",
       "forbidden: core.n SHARE"},
      {"CREATE INDEX i ON core.n (id); DROP INDEX core.i", "instant"},
  });
}

TEST(StatementClassTest, SafeAnswerForWhatNobodyHasMeasured) {
  const auto statements = Classify("IMPORT FOREIGN SCHEMA x FROM SERVER s INTO core");
  ASSERT_EQ(statements.size(), 1U);
  EXPECT_EQ(statements[0].statement_class, StatementClass::kForbiddenOnline);
}

TEST(StatementClassTest, SaysWhatIsDoneToWhichTable) {
  const auto one = Classify("ALTER TABLE core.t ALTER COLUMN a SET NOT NULL")[0];
  EXPECT_EQ(one.worked_schema + "." + one.worked_name, "core.t");
  EXPECT_EQ(one.work, "reads every row to look for NULL");
}

TEST(StatementClassTest, PartitionsOfATableAreMeantUnlessItSaysOnly) {
  const auto all = Classify("ALTER TABLE core.t ADD COLUMN z int")[0].locks;
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].reach, Reach::kHeirs);
  EXPECT_EQ(Classify("ALTER TABLE ONLY core.t ADD COLUMN z int")[0].locks.size(), 1U);
}

TEST(StatementClassTest, ScriptIsInstantWhenEveryStatementIs) {
  EXPECT_TRUE(
      IsInstant(Classify("ALTER TABLE core.t ADD COLUMN z int; COMMENT ON TABLE core.t IS "
                         "'x'")));
  EXPECT_FALSE(IsInstant(Classify("ALTER TABLE core.t ADD COLUMN z int; UPDATE core.t SET z = 1")));
  // MERGE .. WHEN NOT MATCHED BY SOURCE is PostgreSQL 17: unread.
  const auto opaque =
      Classify("MERGE INTO core.a USING core.b ON true WHEN NOT MATCHED BY SOURCE THEN DELETE");
  EXPECT_FALSE(IsInstant(opaque));
  EXPECT_THAT(opaque[0].locks, IsEmpty());
}

TEST(LockModeTest, ConflictsAreThoseOfTheManual) {
  // One line per mode held, from ACCESS SHARE: 'x' where the one asked for has to wait.
  const std::vector<std::string> table = {
      ".......x", "......xx", "....xxxx", "...xxxxx",
      "..xx.xxx", "..xxxxxx", ".xxxxxxx", "xxxxxxxx",
  };
  for (int held = 1; held <= 8; ++held) {
    for (int asked = 1; asked <= 8; ++asked) {
      EXPECT_EQ(
          Conflicts(static_cast<LockMode>(held), static_cast<LockMode>(asked)),
          table[static_cast<std::size_t>(held - 1)][static_cast<std::size_t>(asked - 1)] == 'x')
          << ToText(static_cast<LockMode>(held)) << " / " << ToText(static_cast<LockMode>(asked));
    }
  }
}

}  // namespace
}  // namespace lockstep::migration
