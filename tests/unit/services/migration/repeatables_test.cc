#include "services/migration/engine/repeatables.h"

#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/repeatable_reader.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> Keys(const std::vector<Repeatable>& repeatables) {
  std::vector<std::string> keys;
  for (const Repeatable& repeatable : repeatables) keys.push_back(repeatable.key());
  return keys;
}

std::vector<std::string> Texts(const std::vector<Problem>& problems) {
  std::vector<std::string> texts;
  for (const Problem& problem : problems) texts.push_back(problem.text());
  return texts;
}

// Problems of one file of catalog.
std::vector<std::string> ProblemsOf(const std::string& text) {
  std::vector<Problem> problems;
  ReadRepeatable("catalog", "stock", "catalog/repeatable/stock.sql", text, problems);
  return Texts(problems);
}

TEST(ReadRepeatableTest, TellsWhatAFileCreatesAndUses) {
  std::vector<Problem> problems;
  const ReadRepeatableResult read = ReadRepeatable(
      "catalog", "stock", "stock.sql",
      "-- after: catalog/prices\n"
      "-- references: transactions.orders\n"
      "CREATE OR REPLACE VIEW core.stock AS SELECT i.id FROM products.inventory i, "
      "transactions.orders;\n"
      "COMMENT ON VIEW core.stock IS 'what is there';\n"
      "COMMENT ON COLUMN core.stock.id IS 'key';\n"
      "GRANT SELECT ON core.stock TO catalog_app;\n"
      "CREATE OR REPLACE FUNCTION core.price(a int, b text[], c numeric(12,2), OUT d int)"
      " LANGUAGE sql AS 'SELECT 1';\n"
      "REVOKE ALL ON FUNCTION core.price(int, text[], numeric) FROM PUBLIC;\n"
      "CREATE OR REPLACE PROCEDURE core.tidy() LANGUAGE sql AS 'SELECT 1';\n",
      problems);
  EXPECT_THAT(Texts(problems), IsEmpty());
  const std::vector<RepeatableObject> expected = {
      {"view", "core.stock", "core.stock"},
      {"function", "core.price",
       "core.price(pg_catalog.int4,pg_catalog.text[],pg_catalog.numeric)"},
      {"procedure", "core.tidy", "core.tidy()"}};
  EXPECT_EQ(read.repeatable.objects, expected);
  EXPECT_THAT(read.repeatable.after, ElementsAre("catalog/prices"));
  EXPECT_THAT(read.uses, ::testing::Contains("products.inventory"));
  EXPECT_THAT(read.uses, ::testing::Not(::testing::Contains("core.stock")));
}

TEST(ReadRepeatableTest, RefusesEverythingElseAtOnceWithItsLine) {
  const std::vector<std::string> problems = ProblemsOf(
      "CREATE OR REPLACE VIEW core.stock AS SELECT 1 AS id;\n"
      "CREATE TABLE core.t (id int);\n"
      "DROP VIEW core.other;\n"
      "UPDATE core.t SET id = 1;\n"
      "DO $$ BEGIN END $$;\n"
      "CREATE VIEW core.plain AS SELECT 1 AS id;\n"
      "GRANT SELECT ON core.other TO catalog_app;\n");
  EXPECT_THAT(
      problems,
      ElementsAre(AllOf(HasSubstr("stock.sql:2"), HasSubstr("belongs into a revision")),
                  HasSubstr("stock.sql:3"), HasSubstr("stock.sql:4"), HasSubstr("stock.sql:5"),
                  AllOf(HasSubstr("stock.sql:6"), HasSubstr("CREATE OR REPLACE")),
                  AllOf(HasSubstr("stock.sql:7"), HasSubstr("core.other"))));
}

TEST(ReadRepeatableTest, RefusesTransactionsMetaCommandsAndWhatCannotBeRead) {
  EXPECT_THAT(ProblemsOf("BEGIN;\nCREATE OR REPLACE VIEW core.v AS SELECT 1 AS a;\nCOMMIT;"),
              ::testing::Contains(HasSubstr("the engine begins and ends transactions")));
  EXPECT_THAT(ProblemsOf("\\set x 1\nCREATE OR REPLACE VIEW core.v AS SELECT 1 AS a;"),
              ::testing::Contains(HasSubstr("psql meta command")));
  EXPECT_THAT(ProblemsOf("\nCREATE OR REPLACE VIEW core.v AS SELEC 1;"),
              ElementsAre(AllOf(HasSubstr("stock.sql:2"), HasSubstr("cannot read"))));
  EXPECT_THAT(ProblemsOf("-- nothing\n"), ElementsAre(HasSubstr("creates nothing")));
}

TEST(ReadRepeatableTest, OtherOwnersAreDeclaredAndNeverChanged) {
  EXPECT_THAT(ProblemsOf("CREATE OR REPLACE VIEW core.v AS\nSELECT id FROM transactions.orders;"),
              ElementsAre(AllOf(HasSubstr("stock.sql:2"),
                                HasSubstr("-- references: transactions.orders"))));
  EXPECT_THAT(ProblemsOf("CREATE OR REPLACE VIEW finance.v AS SELECT 1 AS a;"),
              ElementsAre(HasSubstr("belongs to finance")));
}

TEST(LoadRepeatablesTest, OrdersThemByWhatTheyReferToAcrossServices) {
  const MigrationsFolder folder;
  folder.AddRevision("catalog", "c001");
  // By name a would come first.
  folder.Write("catalog/repeatable/a.sql",
               "CREATE OR REPLACE VIEW core.a AS SELECT id FROM core.b;");
  folder.Write("catalog/repeatable/b.sql",
               "-- references: transactions.o\n"
               "CREATE OR REPLACE VIEW core.b AS SELECT id FROM transactions.o;");
  folder.Write("catalog/repeatable/c.sql",
               "-- after: orders/p\n"
               "CREATE OR REPLACE FUNCTION core.c() RETURNS int LANGUAGE sql AS 'SELECT 1';");
  folder.Write("orders/repeatable/o.sql",
               "CREATE OR REPLACE VIEW transactions.o AS SELECT 1 AS id;");
  folder.Write("orders/repeatable/p.sql",
               "CREATE OR REPLACE VIEW transactions.p AS SELECT 1 AS id;");
  const LoadResult result = folder.Inspect();
  EXPECT_THAT(Texts(result.problems), IsEmpty());
  EXPECT_THAT(Keys(result.definitions.repeatables),
              ElementsAre("orders/o", "catalog/b", "catalog/a", "orders/p", "catalog/c"));
  EXPECT_THAT(result.definitions.repeatables[2].after, ElementsAre("catalog/b"));
  // No revision is looked for in the folder.
  EXPECT_EQ(result.definitions.revisions.size(), 1U);
}

TEST(LoadRepeatablesTest, PrintsACycle) {
  const MigrationsFolder folder;
  folder.Write("catalog/repeatable/a.sql",
               "CREATE OR REPLACE VIEW core.a AS SELECT id FROM core.b;");
  folder.Write("catalog/repeatable/b.sql",
               "-- after: catalog/a\nCREATE OR REPLACE VIEW core.b AS SELECT 1 AS id;");
  EXPECT_THAT(folder.Problems(), ElementsAre(HasSubstr("catalog/a -> catalog/b -> catalog/a")));
}

TEST(LoadRepeatablesTest, AnObjectBelongsIntoOneFile) {
  const MigrationsFolder folder;
  folder.Write("catalog/repeatable/a.sql", "CREATE OR REPLACE VIEW core.v AS SELECT 1 AS id;");
  folder.Write("catalog/repeatable/b.sql", "CREATE OR REPLACE VIEW core.v AS SELECT 2 AS id;");
  folder.Write("catalog/repeatable/Bad-Name.sql", "");
  folder.Write("catalog/repeatable/c.sql",
               "-- after: catalog/nothing\nCREATE OR REPLACE VIEW core.w AS SELECT 2 AS id;");
  folder.Write("catalog/repeatable/README.md", "words");
  EXPECT_THAT(folder.Problems(),
              ElementsAre(StartsWith("catalog/repeatable/Bad-Name.sql"),
                          AllOf(StartsWith("catalog/repeatable/b.sql"),
                                HasSubstr("created by catalog/a as well")),
                          AllOf(StartsWith("catalog/repeatable/c.sql:1"),
                                HasSubstr("there is no repeatable definition catalog/nothing"))));
}

TEST(LoadRepeatablesTest, WarnsOfAnUnreleasedRevisionThatCreatesTheSame) {
  const MigrationsFolder folder;
  folder.AddRevision("catalog", "c001");
  folder.AddRevision("catalog", "c002", "down_revision: \"c001\"\n");
  for (const std::string id : {"c001", "c002"}) {
    folder.Write("catalog/" + id + "_x/up.sql", "CREATE TABLE core.t_" + id +
                                                    " (id uuid);\nCREATE OR REPLACE VIEW core.v AS "
                                                    "SELECT 1 AS id;");
  }
  folder.Write("releases.textproto",
               "releases { name: \"v1\" date: \"2025-01-01\" revisions: \"c001\" }");
  folder.Write("catalog/repeatable/v.sql", "CREATE OR REPLACE VIEW core.v AS SELECT 1 AS id;");
  EXPECT_THAT(folder.Problems(), IsEmpty());
  EXPECT_THAT(folder.Warnings(),
              ElementsAre(AllOf(StartsWith("catalog/c002_x/up.sql"),
                                HasSubstr("defined by repeatable catalog/v as well"))));
}

class PendingRepeatablesTest : public ::testing::Test {
 protected:
  PendingRepeatablesTest() {
    std::vector<Problem> problems;
    Add("a", "CREATE OR REPLACE VIEW core.a AS SELECT 1 AS id;");
    Add("b", "CREATE OR REPLACE VIEW core.b AS SELECT id FROM core.a;");
    definitions_.repeatables = OrderRepeatables(read_, problems);
    for (const Repeatable& repeatable : definitions_.repeatables) {
      state_.repeatables[repeatable.key()] = {.service = "catalog",
                                              .name = repeatable.name,
                                              .checksum = repeatable.script.checksum,
                                              .objects = repeatable.objects};
    }
  }
  void Add(const std::string& name, const std::string& text) {
    std::vector<Problem> problems;
    read_.push_back(ReadRepeatable("catalog", name, name + ".sql", text, problems));
  }
  // "apply catalog/a, drop catalog/c"
  std::string Pending() const {
    std::string text;
    for (const PlannedRepeatable& planned : PendingRepeatables(definitions_, state_)) {
      text +=
          (text.empty() ? "" : ", ") + std::string(ToText(planned.action)) + " " + planned.key();
    }
    return text;
  }

  std::vector<ReadRepeatableResult> read_;
  Definitions definitions_;
  AppliedState state_;
};

TEST_F(PendingRepeatablesTest, NothingIsPendingWhenAllIsApplied) { EXPECT_EQ(Pending(), ""); }

TEST_F(PendingRepeatablesTest, WhatChangedIsMissingOrSetAsideIsAppliedInOrder) {
  state_.repeatables["catalog/b"].checksum = "v1:other";
  EXPECT_EQ(Pending(), "apply catalog/b");
  state_.repeatables["catalog/a"].is_missing = true;
  EXPECT_EQ(Pending(), "apply catalog/a, apply catalog/b");
  state_.repeatables["catalog/a"].is_missing = false;
  state_.repeatables["catalog/a"].is_set_aside = true;
  EXPECT_EQ(Pending(), "apply catalog/a, apply catalog/b");
}

TEST_F(PendingRepeatablesTest, WhatVanishedIsDropped) {
  state_.repeatables["catalog/c"] = {.service = "catalog",
                                     .name = "c",
                                     .checksum = "v1:c",
                                     .objects = {{"view", "core.c", "core.c"}}};
  state_.repeatables["catalog/a"].objects.push_back({"view", "core.gone", "core.gone"});
  EXPECT_EQ(Pending(), "drop catalog/c, drop catalog/a");
  // It moved to another file.
  state_.repeatables["catalog/a"].objects.back() = {"view", "core.b", "core.b"};
  EXPECT_EQ(Pending(), "drop catalog/c");
}

TEST_F(PendingRepeatablesTest, AReviewedPlanKnowsThemAndWhatIsDone) {
  state_.repeatables["catalog/a"].checksum = "v1:other";
  state_.repeatables["catalog/b"].checksum = "v1:other";
  ReviewedPlan reviewed;
  AddRepeatables(PendingRepeatables(definitions_, state_), reviewed);
  ASSERT_EQ(reviewed.steps.size(), 2U);
  EXPECT_EQ(reviewed.steps[0].revision, "repeatable:catalog/a");
  EXPECT_THAT(DifferencesOf(reviewed, reviewed, state_), IsEmpty());
  // b was made again together with something else, then the run died.
  state_.repeatables["catalog/b"].checksum = definitions_.repeatables[1].script.checksum;
  ReviewedPlan now;
  AddRepeatables(PendingRepeatables(definitions_, state_), now);
  EXPECT_THAT(DifferencesOf(reviewed, now, state_), IsEmpty());
  now.steps[0].checksum = "v1:edited";
  EXPECT_THAT(DifferencesOf(reviewed, now, state_), ElementsAre(StartsWith("changed: ")));
}

}  // namespace
}  // namespace lockstep::migration
