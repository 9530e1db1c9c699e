#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StepGroupTest : public EngineTest {
 protected:
  // Each makes a table of its own on top of `parent`.
  void WriteTable(const std::string& id, const std::string& parent,
                  const std::string& service = "catalog") const {
    const std::string table = (service == "catalog" ? "products." : "transactions.") + id;
    WriteRevision(id, parent.empty() ? "" : "down_revision: \"" + parent + "\"\n",
                  {{"up.sql", "CREATE TABLE " + table + " (n int PRIMARY KEY);\n"},
                   {"verify.sql", "SELECT n FROM " + table + " WHERE n < 0;\n"},
                   {"down.sql", "DROP TABLE " + table + ";\n"},
                   {"verify.sql", "SELECT 1 WHERE false;\n"}},
                  service);
  }

  // Revisions, those of one transaction together: "aaaa bbbb | cccc".
  std::string Transactions() const {
    return db_.QueryText(
        "SELECT string_agg(t.ids, ' | ' ORDER BY t.ids) FROM (SELECT string_agg(revision || CASE"
        " WHEN ordinal > 1 THEN ':' || ordinal ELSE '' END, ' ' ORDER BY revision, ordinal) AS ids"
        " FROM migration.applied_steps GROUP BY xmin::text) AS t");
  }
};

TEST_F(StepGroupTest, StepsThatOnlyMakeNewThingsShareATransaction) {
  WriteTable("aaaa", "");
  WriteTable("bbbb", "aaaa");
  WriteTable("cccc", "bbbb");

  ASSERT_OK_AND_ASSIGN(const RunReport report, Upgrade());

  EXPECT_EQ(Transactions(), "aaaa bbbb cccc");
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");
  EXPECT_EQ(report.steps_run, 3);
  EXPECT_THAT(report.revisions, ElementsAre("aaaa", "bbbb", "cccc"));
  // Under the owner, as by themselves.
  EXPECT_EQ(db_.QueryText("SELECT string_agg(DISTINCT tableowner, ' ') FROM pg_tables"
                          " WHERE schemaname = 'products' AND tablename IN ('aaaa', 'cccc')"),
            "catalog_owner");
  // What an undo needs is there for each.
  ASSERT_OK(Downgrade("aaaa"));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  EXPECT_FALSE(TableExists("products.bbbb"));
}

TEST_F(StepGroupTest, TheLogSaysOfEachThatItWasStartedAndFinished) {
  WriteTable("aaaa", "");
  WriteTable("bbbb", "aaaa");

  ASSERT_OK(Upgrade());

  std::vector<std::string> seen;
  for (const RunEvent& event : sink_.events()) {
    if (event.kind.starts_with("step_") || event.kind.starts_with("revision_")) {
      seen.push_back(absl::StrCat(event.kind, " ", event.revision));
    }
  }
  EXPECT_THAT(seen,
              ElementsAre("step_started aaaa", "step_finished aaaa", "revision_finished aaaa",
                          "step_started bbbb", "step_finished bbbb", "revision_finished bbbb"));
  std::string stored;
  for (const std::string& line : seen) stored += (stored.empty() ? "" : "\n") + line;
  EXPECT_EQ(db_.QueryText("SELECT string_agg(kind || ' ' || revision, E'\\n' ORDER BY event_offset)"
                          " FROM migration.run_events WHERE kind ~ '^(step|revision)_'"),
            stored);
}

TEST_F(StepGroupTest, EachHasItsOwnDuration) {
  WriteTable("aaaa", "");
  std::string tables;
  for (int i = 0; i < 90; ++i) {
    tables += absl::StrCat("CREATE TABLE products.b", i, " (id int PRIMARY KEY, t text UNIQUE);\n");
  }
  WriteRevision(
      "bbbb", "down_revision: \"aaaa\"\n",
      {{"up.sql", tables}, {"down.sql", "SELECT 1;\n"}, {"verify.sql", "SELECT 1 WHERE false;\n"}});
  WriteTable("cccc", "bbbb");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(Transactions(), "aaaa bbbb cccc");
  // Ninety times as much work as its neighbours.
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_log AS b, migration.step_log AS o"
                          " WHERE b.revision = 'bbbb' AND o.revision <> 'bbbb'"
                          " AND b.duration_ms > 3 * o.duration_ms AND o.duration_ms >= 0"),
            "2");
}

TEST_F(StepGroupTest, WhatTouchesAnythingThatWasThereIsByItself) {
  WriteTable("aaaa", "");
  ASSERT_OK(Upgrade());
  WriteTable("bbbb", "aaaa");
  WriteRevision("cccc", "down_revision: \"bbbb\"\n",
                {{"up.sql", "CREATE INDEX aaaa_n ON products.aaaa (n);\n"},
                 {"down.sql", "DROP INDEX products.aaaa_n;\n"},
                 {"verify.sql", "SELECT 1 WHERE false;\n"}});
  // What the run made before counts as well: others may use it by now.
  WriteRevision("dddd", "down_revision: \"cccc\"\n",
                {{"up.sql", "CREATE TABLE products.dddd (n int REFERENCES products.bbbb);\n"},
                 {"down.sql", "DROP TABLE products.dddd;\n"},
                 {"verify.sql", "SELECT 1 WHERE false;\n"}});
  WriteTable("eeee", "dddd");
  WriteTable("ffff", "eeee");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(Transactions(), "aaaa | bbbb | cccc | dddd | eeee ffff");
}

TEST_F(StepGroupTest, WhatDoesMoreThanCreateIsByItself) {
  WriteTable("aaaa", "");
  WriteTable("bbbb", "aaaa");
  WriteRevision(
      "cccc", "down_revision: \"bbbb\"\n",
      {{"up.sql", "CREATE TABLE products.cccc (n int);\nALTER TABLE products.cccc ADD m int;\n"},
       {"down.sql", "DROP TABLE products.cccc;\n"},
       {"verify.sql", "SELECT 1 WHERE false;\n"}});
  WriteRevision("dddd", "down_revision: \"cccc\"\n",
                {{"up.sql", "GRANT USAGE ON SCHEMA products TO catalog_app;\n"},
                 {"down.sql", "SELECT 1;\n"},
                 {"verify.sql", "SELECT 1 WHERE false;\n"}});
  WriteRevision("eeee", "down_revision: \"dddd\"\n",
                {{"up.sql",
                  "CREATE TABLE products.eeee (n int);\nCOMMENT ON TABLE products.eeee IS 'e';\n"
                  "GRANT SELECT ON products.eeee TO catalog_app;\n"},
                 {"down.sql", "DROP TABLE products.eeee;\n"},
                 {"verify.sql", "SELECT 1 WHERE false;\n"}});
  WriteTable("ffff", "eeee");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(Transactions(), "aaaa bbbb | cccc | dddd | eeee ffff");
  EXPECT_THAT(sink_.Messages("step_retried"), IsEmpty());
}

TEST_F(StepGroupTest, EveryOwnerHasItsOwnTransaction) {
  WriteTable("aaaa", "");
  WriteTable("bbbb", "aaaa");
  WriteTable("cccc", "", "orders");
  WriteTable("dddd", "cccc", "orders");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(Transactions(), "aaaa bbbb | cccc dddd");
}

TEST_F(StepGroupTest, StepsOfARevisionStayTogether) {
  WriteTable("aaaa", "");
  WriteRevision("bbbb",
                "down_revision: \"aaaa\"\nsteps { name: \"table\" }\nsteps { name: \"index\" }\n",
                {{"01_table.up.sql", "CREATE TABLE products.bbbb (n int);\n"},
                 {"01_table.down.sql", "DROP TABLE products.bbbb;\n"},
                 {"02_index.up.sql", "CREATE INDEX bbbb_n ON products.bbbb (n);\n"},
                 {"02_index.down.sql", "DROP INDEX products.bbbb_n;\n"},
                 {"verify.sql", "SELECT 1 WHERE false;\n"}});

  ASSERT_OK(Upgrade());

  EXPECT_EQ(Transactions(), "aaaa bbbb bbbb:2");
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1,2!");
}

TEST_F(StepGroupTest, AFailureIsToldOfTheOneThatFailedAndThoseBeforeItStay) {
  WriteTable("aaaa", "");
  WriteTable("bbbb", "aaaa");
  WriteRevision(
      "cccc", "down_revision: \"bbbb\"\n",
      {{"up.sql", "CREATE TABLE products.cccc (n int);\n\nCREATE TABLE products.aaaa (n int);\n"},
       {"down.sql", "DROP TABLE products.cccc;\n"},
       {"verify.sql", "SELECT 1 WHERE false;\n"}});
  WriteTable("dddd", "cccc");

  const absl::Status failed = Upgrade().status();

  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_FAILED")));
  EXPECT_THAT(MessageOf(failed), AllOf(HasSubstr("cccc step 1"), HasSubstr("up.sql:3")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  // Those before it once more together.
  EXPECT_EQ(Transactions(), "aaaa bbbb");
  EXPECT_THAT(sink_.Messages("step_retried"), SizeIs(1));
  EXPECT_FALSE(TableExists("products.cccc"));
  EXPECT_EQ(db_.QueryText("SELECT string_agg(revision, ' ') FROM migration.step_failures"), "cccc");
  // Mended, it goes on.
  folder_.Write("catalog/cccc_x/up.sql", "CREATE TABLE products.cccc (n int);\n");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1! dddd:1!");
  EXPECT_EQ(db_.QueryText("SELECT string_agg(kind || ' ' || revision, ', ') FROM"
                          " migration.amendments"),
            "failed_step_mended cccc");
}

TEST_F(StepGroupTest, WhatTheCheapCheckCannotJudgeRunsByItself) {
  WriteTable("aaaa", "");
  // The server makes its constructor functions along with it.
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "CREATE TYPE products.bbbb AS RANGE (subtype = numeric);\n"},
                 {"down.sql", "DROP TYPE products.bbbb;\n"},
                 {"verify.sql", "SELECT 1 WHERE false;\n"}});
  WriteTable("cccc", "bbbb");

  ASSERT_OK(Upgrade());

  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1! cccc:1!");
  EXPECT_THAT(sink_.Messages("step_failed"), IsEmpty());
}

}  // namespace
}  // namespace lockstep::migration
