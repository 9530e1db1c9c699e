// Up, down and up again on a scratch database.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "services/migration/engine/run/scratch/rehearse.h"
#include "tests/integration/services/migration/proof_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kTables[] = R"(
CREATE TYPE core.status AS ENUM ('new', 'sold');
CREATE SEQUENCE core.numbers;
CREATE TABLE core.t (id bigint PRIMARY KEY, code text NOT NULL DEFAULT 'x', state core.status, note text,
                     n numeric(12,2) CHECK (n >= 0));
CREATE INDEX t_code_idx ON core.t (code);
CREATE VIEW core.v AS SELECT t.code FROM core.t;
CREATE FUNCTION core.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t_keep BEFORE UPDATE ON core.t FOR EACH ROW EXECUTE FUNCTION core.keep();
ALTER TABLE core.t ENABLE ROW LEVEL SECURITY;
CREATE POLICY t_all ON core.t USING (true);
COMMENT ON COLUMN core.t.note IS 'what the seller says';
ALTER TABLE core.t SET (fillfactor = 80);
CREATE STATISTICS core.t_stats ON code, note FROM core.t;
)";
constexpr char kRows[] =
    "INSERT INTO core.t SELECT g, 'c' || g, 'new', 'n' || g, g FROM generate_series(1, 20) AS g;"
    " SELECT setval('core.numbers', 7)";

constexpr char kDestroys[] = "destroys { table: \"core.t\" key: \"id\" }\n";

class RehearseTest : public ProofTest {
 protected:
  void SetUp() override { ApplyFirst(kTables, kRows); }
  // The verdict on bbbb.
  RehearsedRevision Verdict(const std::string& up, const std::string& down,
                            const std::string& more = "") {
    WriteNext(up, down, more);
    const auto report = Rehearse();
    EXPECT_THAT(report, IsOk());
    if (!report.ok() || report->revisions.size() != 1) return {};
    EXPECT_EQ(report->sample.rows, 20);
    return report->revisions[0];
  }
  // Undoes that do not give back what was there; each is to be caught.
  void Dishonest(const std::string& up, const std::string& down, const std::string& more = "") {
    const RehearsedRevision found = Verdict(up, down, more);
    EXPECT_EQ(ToText(found.verdict), "dishonest") << up << "\n" << down << "\n" << found.failure;
  }
  void Honest(const std::string& up, const std::string& down, const std::string& more = "") {
    const RehearsedRevision found = Verdict(up, down, more);
    std::string why = found.failure;
    for (const CatalogDifference& difference : found.differences) why += difference.text() + "\n";
    for (const CatalogDifference& difference : found.again) why += difference.text() + "\n";
    EXPECT_EQ(ToText(found.verdict), "reversible") << up << "\n" << down << "\n" << why;
  }
};

TEST_F(RehearseTest, CatchesUndoesThatDoNotUndo) {
  Dishonest("CREATE TABLE core.x (id int);", "SELECT 1;");
  Dishonest("ALTER TABLE core.t DROP COLUMN note;", "ALTER TABLE core.t ADD COLUMN note text;");
  Dishonest("ALTER TABLE core.t ALTER COLUMN code SET DEFAULT 'z';",
            "ALTER TABLE core.t ALTER COLUMN code SET DEFAULT 'q';");
  Dishonest("ALTER TABLE core.t ALTER COLUMN code DROP DEFAULT;", "SELECT 1;");
  Dishonest("ALTER TABLE core.t ALTER COLUMN code DROP NOT NULL;", "SELECT 1;");
  Dishonest("CREATE INDEX x ON core.t (note);", "SELECT 1;");
  Dishonest("DROP INDEX core.t_code_idx;", "CREATE INDEX t_code_idx ON core.t (note);");
  Dishonest("DROP INDEX core.t_code_idx;", "CREATE UNIQUE INDEX t_code_idx ON core.t (code);");
  Dishonest("ALTER TABLE core.t DROP CONSTRAINT t_n_check;",
            "ALTER TABLE core.t ADD CONSTRAINT t_n_check CHECK (n > 0);");
  Dishonest("ALTER TABLE core.t DROP CONSTRAINT t_n_check;",
            "ALTER TABLE core.t ADD CONSTRAINT t_n_check CHECK (n >= 0) NOT VALID;");
}

TEST_F(RehearseTest, CatchesWhatIsNotSeenInTables) {
  Dishonest("GRANT SELECT ON core.t TO PUBLIC;", "SELECT 1;");
  Dishonest("DROP VIEW core.v;", "CREATE VIEW core.v AS SELECT t.code FROM core.t WHERE true;");
  Dishonest("CREATE OR REPLACE VIEW core.v AS SELECT upper(t.code) AS code FROM core.t;",
            "CREATE OR REPLACE VIEW core.v AS SELECT lower(t.code) AS code FROM core.t;");
  Dishonest(
      "DROP TRIGGER t_keep ON core.t;",
      "CREATE TRIGGER t_keep AFTER UPDATE ON core.t FOR EACH ROW EXECUTE FUNCTION core.keep();");
  Dishonest("ALTER TABLE core.t DISABLE TRIGGER t_keep;", "SELECT 1;");
  Dishonest("DROP POLICY t_all ON core.t;", "CREATE POLICY t_all ON core.t USING (id > 0);");
  Dishonest("ALTER TABLE core.t DISABLE ROW LEVEL SECURITY;", "SELECT 1;");
  Dishonest("ALTER TABLE core.t RESET (fillfactor);", "ALTER TABLE core.t SET (fillfactor = 70);");
  Dishonest("ALTER TABLE core.t REPLICA IDENTITY FULL;", "SELECT 1;");
  Dishonest(
      "CREATE OR REPLACE FUNCTION core.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN "
      "OLD; END';",
      "SELECT 1;");
}

TEST_F(RehearseTest, CatchesWhatHappenedToDataAndTypes) {
  Dishonest("UPDATE core.t SET note = upper(note);", "UPDATE core.t SET note = note WHERE false;",
            kDestroys);
  Dishonest("DELETE FROM core.t WHERE id > 10;", "SELECT 1;");
  Dishonest("TRUNCATE core.t;", "INSERT INTO core.t (id) VALUES (1);");
  Dishonest("ALTER TABLE core.t ALTER COLUMN n TYPE numeric(12,0);",
            "ALTER TABLE core.t ALTER COLUMN n TYPE numeric(12,1);");
  Dishonest("ALTER TYPE core.status ADD VALUE 'lost' BEFORE 'sold';", "SELECT 1;");
  Dishonest("ALTER TYPE core.status RENAME VALUE 'sold' TO 'gone';", "SELECT 1;");
  Dishonest("SELECT setval('core.numbers', 100);", "SELECT 1;");
  Dishonest("ALTER SEQUENCE core.numbers INCREMENT 2;", "SELECT 1;");
  Dishonest("ALTER TABLE core.t RENAME COLUMN note TO remark;",
            "ALTER TABLE core.t RENAME COLUMN remark TO notes;");
  Dishonest("DROP TABLE core.t CASCADE;", "CREATE TABLE core.t (id bigint PRIMARY KEY);");
}

TEST_F(RehearseTest, AccusesNoHonestUndo) {
  Honest("CREATE TABLE core.x (id int PRIMARY KEY, t_id bigint REFERENCES core.t (id));",
         "DROP TABLE core.x;");
  Honest("ALTER TABLE core.t ADD COLUMN extra int DEFAULT 5;",
         "ALTER TABLE core.t DROP COLUMN extra;");
  Honest("ALTER TABLE core.t ALTER COLUMN code SET DEFAULT 'z';",
         "ALTER TABLE core.t ALTER COLUMN code SET DEFAULT 'x';");
  Honest("DROP INDEX core.t_code_idx;", "CREATE INDEX t_code_idx ON core.t (code);");
  Honest("ALTER TABLE core.t RENAME COLUMN note TO remark;",
         "ALTER TABLE core.t RENAME COLUMN remark TO note;");
  Honest("GRANT SELECT ON core.t TO PUBLIC;", "REVOKE SELECT ON core.t FROM PUBLIC;");
  Honest("ALTER TABLE core.t DROP CONSTRAINT t_n_check;",
         "ALTER TABLE core.t ADD CONSTRAINT t_n_check CHECK (n >= 0);");
  // What it makes up differs from time to time.
  Honest(
      "CREATE TABLE core.x (id uuid DEFAULT gen_random_uuid(), at timestamptz DEFAULT "
      "clock_timestamp());"
      " INSERT INTO core.x DEFAULT VALUES;",
      "DROP TABLE core.x;");
  // Only the order of columns is another one.
  Honest("ALTER TABLE core.t DROP COLUMN state;",
         "ALTER TABLE core.t ADD COLUMN state core.status; UPDATE core.t SET state = 'new';",
         kDestroys);
  EXPECT_EQ(Scratches(), "0");
}

TEST_F(RehearseTest, TellsTheLossThatIsDeclared) {
  const RehearsedRevision found =
      Verdict("ALTER TABLE core.t DROP COLUMN note;",
              "ALTER TABLE core.t ADD COLUMN note text;"
              " COMMENT ON COLUMN core.t.note IS 'what the seller says';"
              " CREATE STATISTICS core.t_stats ON code, note FROM core.t;",
              "index { rollback_hazards: \"notes come back empty\" }\n");
  EXPECT_EQ(ToText(found.verdict), "reversible with loss");
  EXPECT_THAT(found.losses, ElementsAre("column core.t.note, 20 values"));
}

TEST_F(RehearseTest, TakesAnIrreversibleRevisionAtItsWord) {
  WriteRevision("bbbb", "down_revision: \"aaaa\"\nirreversible_reason: \"they are gone\"\n",
                {{"up.sql", "DELETE FROM core.t WHERE id > 15;"},
                 {"down.sql", "SELECT 1;"},
                 {"guard.sql", "SELECT 1 WHERE false;"},
                 kHolds});
  ASSERT_OK_AND_ASSIGN(const RehearsalReport report, Rehearse());
  const RehearsedRevision& found = report.revisions.at(0);
  EXPECT_EQ(ToText(found.verdict), "irreversible");
  EXPECT_THAT(found.losses, ElementsAre("rows of core.t: 20 before, 15 after"));
}

TEST_F(RehearseTest, SaysWhatCannotRun) {
  const RehearsedRevision found = Verdict("ALTER TABLE core.t ADD CONSTRAINT few CHECK (id < 10);",
                                          "ALTER TABLE core.t DROP CONSTRAINT few;");
  EXPECT_EQ(ToText(found.verdict), "failed");
  EXPECT_THAT(found.failure, HasSubstr("few"));
}

TEST_F(RehearseTest, IsRecordedAndAskedForByTheLinter) {
  WriteNext("CREATE TABLE core.x (id int PRIMARY KEY);", "DROP TABLE core.x;");
  const auto rules = [&] {
    const auto report = NewEngine()->LintUpgrade(context_, "head");
    EXPECT_THAT(report, IsOk());
    std::vector<std::string> found;
    for (const LintFinding& finding : report->findings) found.push_back(finding.rule);
    return found;
  };
  EXPECT_THAT(rules(), Contains("M03"));

  ASSERT_OK(Rehearse());

  EXPECT_THAT(rules(), ::testing::Not(Contains("M03")));
  EXPECT_EQ(
      db_.QueryText(
          "SELECT revision || ' ' || verdict || ' ' || sampled_rows FROM migration.rehearsals"),
      "bbbb reversible 20");
  EXPECT_THAT(AppliedText(), "aaaa:1!");
}

TEST_F(RehearseTest, DoesNotTouchTheWholeServer) {
  WriteRevision("bbbb",
                "down_revision: \"aaaa\"\nsteps { name: \"role\" kind: STEP_KIND_PRIVILEGED }\n",
                {{"01_role.up.sql", "CREATE ROLE rehearsed_role;"},
                 {"01_role.down.sql", "DROP ROLE rehearsed_role;"},
                 kHolds});
  EXPECT_THAT(Rehearse(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("SCRATCH_HELD")));
}

}  // namespace
}  // namespace lockstep::migration
