// The live database against what its revisions made.
#include <algorithm>
#include <string>
#include <vector>

#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/catalog/catalog_image.h"
#include "tests/integration/services/migration/proof_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kTables[] = R"(
CREATE TYPE core.status AS ENUM ('new', 'sold');
CREATE SEQUENCE core.numbers;
CREATE TABLE core.parents (id bigint PRIMARY KEY, code text NOT NULL DEFAULT 'x', made date DEFAULT 'today',
                           at timestamptz NOT NULL DEFAULT 'now', state core.status,
                           CONSTRAINT parents_code_check CHECK (code <> ''));
CREATE TABLE core.children (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                            parent_id bigint REFERENCES core.parents (id), note text);
CREATE INDEX children_parent_idx ON core.children (parent_id);
CREATE VIEW core.family AS SELECT p.code, c.note FROM core.parents AS p JOIN core.children AS c ON c.parent_id = p.id;
CREATE FUNCTION core.twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
CREATE FUNCTION core.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER children_keep BEFORE UPDATE ON core.children FOR EACH ROW EXECUTE FUNCTION core.keep();
COMMENT ON TABLE core.parents IS 'who comes first';
)";

class DriftTest : public ProofTest {
 protected:
  void SetUp() override { ApplyFirst(kTables, ""); }
  DriftReport Look() const {
    auto report = NewEngine(WithAdministrator())->DetectDrift(context_);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? *std::move(report) : DriftReport();
  }
  static std::vector<std::string> Texts(const DriftReport& report) {
    std::vector<std::string> texts;
    for (const CatalogDifference& difference : report.differences) {
      texts.push_back(std::string(ToText(difference.severity)) + ": " + difference.text());
    }
    return texts;
  }
  // Does `sql` to the live database, expects to be told of it, and that the repair mends it.
  void Planted(const std::string& sql, const std::string& told) {
    db_.Execute(sql);
    const DriftReport report = Look();
    EXPECT_THAT(Texts(report), ElementsAre(HasSubstr(told))) << sql;
    for (const std::string& repair : report.repairs) {
      EXPECT_THAT(repair, Not(IsEmpty())) << sql;
      std::string rest = repair;
      // CONCURRENTLY refuses to stand beside another statement.
      db_.Execute(rest);
    }
    EXPECT_THAT(Texts(Look()), IsEmpty()) << sql;
  }
};

TEST_F(DriftTest, FindsNothingWhereNothingChanged) {
  const DriftReport first = Look();
  EXPECT_THAT(Texts(first), IsEmpty());
  EXPECT_FALSE(first.was_cached);
  EXPECT_GT(first.objects, 15);
  EXPECT_TRUE(Look().was_cached);
  EXPECT_EQ(Scratches(), "0");
}

TEST_F(DriftTest, TellsWhatChangedAndHowToMendIt) {
  Planted("DROP INDEX core.children_parent_idx",
          "usual: index core.children_parent_idx is missing");
  Planted("CREATE INDEX stray ON core.children (note)", "usual: index core.stray is not expected");
  Planted("ALTER TABLE core.parents ALTER COLUMN code SET DEFAULT 'y'",
          "usual: column core.parents.code: default is 'y'::text instead of 'x'::text");
  Planted("ALTER TABLE core.parents ALTER COLUMN code DROP NOT NULL",
          "severe: column core.parents.code: not null is none instead of true");
  Planted("ALTER TABLE core.parents DROP CONSTRAINT parents_code_check",
          "severe: constraint core.parents.parents_code_check is missing");
  Planted("GRANT SELECT ON core.parents TO PUBLIC", "usual: table core.parents: grants is");
  Planted("COMMENT ON TABLE core.parents IS NULL", "mild: table core.parents: comment is none");
  Planted(
      "CREATE OR REPLACE VIEW core.family AS SELECT p.code, 'x'::text AS note FROM core.parents AS "
      "p",
      "severe: view core.family: definition is");
  Planted(
      "CREATE OR REPLACE FUNCTION core.twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT "
      "n * 3'",
      "severe: function core.twice(n integer): definition is");
  Planted("ALTER TABLE core.children DISABLE TRIGGER children_keep",
          "severe: trigger core.children.children_keep: enabled is D instead of O");
  Planted("DROP TRIGGER children_keep ON core.children",
          "severe: trigger core.children.children_keep is missing");
  EXPECT_EQ(Scratches(), "0");
}

TEST_F(DriftTest, ProposesNothingThatDestroysData) {
  db_.Execute("CREATE TABLE core.stray (id int); ALTER TABLE core.parents ADD COLUMN stray int");
  const DriftReport report = Look();
  EXPECT_THAT(Texts(report), ElementsAre("severe: column core.parents.stray is not expected",
                                         "severe: table core.stray is not expected"));
  EXPECT_THAT(report.repairs, ElementsAre("", ""));
}

TEST_F(DriftTest, CountsAColumnOrderAsMild) {
  db_.Execute(
      "SET ROLE catalog_owner; ALTER TABLE core.children DROP COLUMN note CASCADE; ALTER TABLE "
      "core.children DROP COLUMN parent_id;"
      "ALTER TABLE core.children ADD COLUMN note text;"
      "ALTER TABLE core.children ADD COLUMN parent_id bigint REFERENCES core.parents (id);"
      "CREATE INDEX children_parent_idx ON core.children (parent_id);"
      "CREATE VIEW core.family AS SELECT p.code, c.note FROM core.parents AS p"
      " JOIN core.children AS c ON c.parent_id = p.id");
  const DriftReport report = Look();
  EXPECT_TRUE(IsOnlyMild(report.differences)) << ::testing::PrintToString(Texts(report));
  EXPECT_EQ(report.differences.size(), 2U);
}

TEST_F(DriftTest, DoesNotJudgeAHalfAppliedRevision) {
  WriteNext("SELECT 1;", "SELECT 1;");
  folder_.Write(
      "catalog/bbbb_x/revision.textproto",
      "id: \"bbbb\" service: \"catalog\" title: \"x\" created: \"2026-11-28\" phase: PHASE_EXPAND "
      "down_revision: \"aaaa\" steps { name: \"one\" } steps { name: \"two\" }\n");
  folder_.Write("catalog/bbbb_x/01_one.up.sql", "CREATE TABLE core.one (id int);");
  folder_.Write("catalog/bbbb_x/01_one.down.sql", "DROP TABLE core.one;");
  folder_.Write("catalog/bbbb_x/02_two.up.sql", "SELECT 1 / 0;");
  folder_.Write("catalog/bbbb_x/02_two.down.sql", "SELECT 1;");
  folder_.Remove("catalog/bbbb_x/up.sql");
  folder_.Remove("catalog/bbbb_x/down.sql");
  EXPECT_THAT(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_), Not(IsOk()));

  EXPECT_THAT(NewEngine(WithAdministrator())->DetectDrift(context_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("DRIFT_HALF_APPLIED")));
}

TEST_F(DriftTest, SaysWhichRightIsMissing) {
  EXPECT_THAT(NewEngine(Options())->DetectDrift(context_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("SCRATCH_NOT_PERMITTED")));
}

}  // namespace
}  // namespace lockstep::migration
