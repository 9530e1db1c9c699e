// The linter against the live catalog: in plans, in upgrades, and on files.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/lint/schema_catalog.h"
#include "services/migration/engine/sql.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kIndex[] = "CREATE INDEX t_n_idx ON core.t_aaaa (n);";
constexpr char kDropIndex[] = "DROP INDEX core.t_n_idx;";

class LintTest : public EngineTest {
 protected:
  // core.t_aaaa with so many rows, and a revision bbbb that comes next.
  void WriteNext(const std::string& up, int rows, const std::string& more = "") {
    folder_.AddRevision("catalog", "aaaa");
    folder_.Write("catalog/aaaa_x/up.sql",
                  "CREATE TABLE core.t_aaaa (id uuid PRIMARY KEY, n int);\n");
    ASSERT_OK(Upgrade());
    db_.Execute("INSERT INTO core.t_aaaa SELECT gen_random_uuid(), g FROM generate_series(1, " +
                std::to_string(rows) + ") AS g; ANALYZE core.t_aaaa");
    WriteRevision("bbbb", "down_revision: \"aaaa\"\n" + more,
                  {{"up.sql", up},
                   {"down.sql", kDropIndex},
                   {"verify.sql", "SELECT 1 FROM core.t_aaaa WHERE false;"}});
  }
  std::unique_ptr<pg::Connection> Open() const {
    pg::ConnectionOptions options;
    options.database_url = db_.url("lockstep_migrator");
    auto connection = pg::Connection::Open(options);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
  // What stands against an upgrade on the linter's account.
  std::vector<std::string> Blockers() const {
    const auto plan = NewEngine()->PlanFor(context_, Direction::kUp, "head");
    EXPECT_THAT(plan, IsOk());
    std::vector<std::string> found;
    if (!plan.ok()) return found;
    for (const Blocker& blocker : plan->blockers) {
      if (blocker.kind == "lint") found.push_back(blocker.revision + ": " + blocker.what);
    }
    return found;
  }
  static std::vector<std::string> Rules(const LintReport& report) {
    std::vector<std::string> rules;
    for (const LintFinding& finding : report.findings) rules.push_back(finding.rule);
    return rules;
  }
};

TEST_F(LintTest, RefusesWorkOnALargeTableThatBlocksItsWriters) {
  WriteNext(kIndex, 20'000);

  EXPECT_THAT(Blockers(), ElementsAre(AllOf(HasSubstr("bbbb: CREATE INDEX without CONCURRENTLY"),
                                            HasSubstr("about 20,000 rows"), HasSubstr("L01"))));
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LINT_REFUSED")));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(LintTest, RunsWhatARevisionAllows) {
  WriteNext(kIndex, 20'000, "suppressions { rule: \"L01\" reason: \"nobody writes at night\" }\n");

  EXPECT_THAT(Blockers(), IsEmpty());
  EXPECT_THAT(Upgrade(), IsOk());
}

TEST_F(LintTest, DoesNotTakeAnAllowanceThatEnded) {
  WriteNext(kIndex, 20'000,
            "suppressions { rule: \"L01\" reason: \"quiet\" expires: \"2020-01-01\" }\n");

  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LINT_REFUSED")));
}

TEST_F(LintTest, LetsSmallTablesPass) {
  WriteNext(kIndex, 100);

  EXPECT_THAT(Blockers(), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const LintReport report, NewEngine()->LintUpgrade(context_, "head"));
  EXPECT_THAT(Rules(report), Contains("L01"));
  EXPECT_THAT(Upgrade(), IsOk());
  EXPECT_THAT(sink_.Messages("warning"), IsEmpty());
}

TEST_F(LintTest, TellsOfAnUndoThatBlocksWritersAndRunsIt) {
  WriteNext("SELECT 1;", 20'000);
  folder_.Write("catalog/bbbb_x/down.sql", kIndex);
  ASSERT_OK(Upgrade());

  EXPECT_THAT(Downgrade("aaaa"), IsOk());

  EXPECT_THAT(sink_.Messages("warning"), Contains(HasSubstr("about 20,000 rows")));
}

TEST_F(LintTest, KnowsWhatTheCatalogHas) {
  db_.Execute(R"(
      CREATE DOMAIN core.positive AS int CHECK (VALUE > 0);
      CREATE TABLE core.parents (id bigint PRIMARY KEY, code varchar(20), at timestamp(3),
                                 tags text[], amount numeric(12,2) NOT NULL, p core.positive);
      CREATE TABLE core.children (id bigint PRIMARY KEY,
                                  parent_id bigint CONSTRAINT fk REFERENCES core.parents (id),
                                  note text);
      ALTER TABLE core.children ADD CONSTRAINT noted CHECK (note IS NOT NULL) NOT VALID;
      CREATE INDEX children_parent ON core.children (parent_id, lower(note));
      CREATE VIEW finance.family AS SELECT p.code FROM core.parents AS p;
      GRANT SELECT ON core.parents TO lockstep_migrator;
      INSERT INTO core.parents SELECT g, 'x', now(), '{}', g, 1 FROM generate_series(1, 50) AS g;
      ANALYZE core.parents)");

  ASSERT_OK_AND_ASSIGN(const SchemaModel model, LoadSchemaModel(*Open()));

  const ModelTable& parents = *model.Find("core.parents");
  EXPECT_EQ(parents.rows, 50);
  EXPECT_TRUE(parents.has_grants);
  EXPECT_EQ(parents.columns.at("code").type, "varchar(20)");
  EXPECT_EQ(parents.columns.at("at").type, "timestamp(3)");
  EXPECT_EQ(parents.columns.at("tags").type, "_text");
  EXPECT_EQ(parents.columns.at("amount").type, "numeric(12,2)");
  EXPECT_TRUE(parents.columns.at("amount").is_not_null);
  EXPECT_EQ(parents.columns.at("p").type, "core.positive");
  EXPECT_THAT(parents.primary_key, ElementsAre("id"));
  ASSERT_EQ(parents.dependents.size(), 2U);
  EXPECT_EQ(parents.dependents[0].name, "core.children");
  EXPECT_FALSE(parents.dependents[0].is_view);
  EXPECT_EQ(parents.dependents[1].name, "finance.family");
  EXPECT_EQ(parents.dependents[1].service, "finance");
  const ModelTable& children = *model.Find("core.children");
  EXPECT_EQ(children.rows, 0);
  ASSERT_EQ(children.constraints.size(), 3U);
  const auto noted = std::find_if(children.constraints.begin(), children.constraints.end(),
                                  [](const auto& have) { return have.name == "noted"; });
  ASSERT_NE(noted, children.constraints.end());
  EXPECT_THAT(noted->not_null_columns, ElementsAre("note"));
  EXPECT_FALSE(noted->is_validated);
  EXPECT_EQ(model.TableOfIndex("core.children_parent"), "core.children");
  EXPECT_EQ(model.IsConstrainedDomain("core.positive"), true);
  EXPECT_EQ(std::to_string(model.server_version), db_.QueryText("SHOW server_version_num"));
  EXPECT_THAT(model.long_transactions, IsEmpty());
}

TEST_F(LintTest, UsesTheCatalogForFiles) {
  db_.Execute(R"(
      CREATE TABLE core.parents (id bigint PRIMARY KEY, code varchar(20), total int);
      INSERT INTO core.parents SELECT g, 'x', g FROM generate_series(1, 20000) AS g;
      ANALYZE core.parents;
      CREATE VIEW finance.family AS SELECT total FROM core.parents)");
  const auto look = [&](std::string_view sql) {
    const auto script = ReadScript("a.sql", sql);
    EXPECT_THAT(script, IsOk());
    const auto report = NewEngine()->LintScripts(context_, {*script}, PlainFiles::kAsTheySay);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? Rules(*report) : std::vector<std::string>();
  };
  // A column that no view uses and that only becomes wider, but a view is on the table.
  EXPECT_THAT(look("ALTER TABLE core.parents ALTER COLUMN total TYPE bigint;"),
              AllOf(Contains("L18"), Contains("N05")));
  EXPECT_THAT(look("DROP TABLE core.parents CASCADE;"), Contains("N03"));
  db_.Execute("DROP VIEW finance.family");
  EXPECT_THAT(look("ALTER TABLE core.parents ALTER COLUMN code TYPE varchar(40);"),
              Not(Contains("L18")));
  EXPECT_THAT(look("ALTER TABLE core.parents ALTER COLUMN code TYPE varchar(10);"),
              Contains("L18"));
}

}  // namespace
}  // namespace lockstep::migration
