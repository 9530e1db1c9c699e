// The rules by which builds stand against changes.
#include "services/migration/engine/compatibility.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/sql.h"
#include "tests/unit/services/migration/made_definitions.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Script Taking(std::vector<std::string> objects) {
  Script script;
  script.facts.taken = std::move(objects);
  return script;
}

// catalog: aaaa, bbbb (whatever `phase` says, takes core.old and core.t.a), cccc.
Definitions Made(Phase phase) {
  Definitions definitions;
  definitions.revisions = {MadeRevision("catalog", "aaaa"),
                           MadeRevision("catalog", "bbbb", {"aaaa"}),
                           MadeRevision("catalog", "cccc", {"bbbb"})};
  definitions.revisions[1].phase = phase;
  definitions.revisions[1].steps[0].up.facts.taken = {"core.old", "core.t.a"};
  return definitions;
}

struct Case {
  const char* name;
  Phase phase;
  std::string service;
  std::string build;
  std::string built_for;  // of catalog's schemas; "-" = declares no use of them
  std::set<std::string, std::less<>> footprint;
  std::string oldest_build;
  bool is_silent;
  int violations;
  std::string object;
};

class Rules : public ::testing::TestWithParam<Case> {};

TEST_P(Rules, DecideOnePlan) {
  const Case& c = GetParam();
  Definitions definitions = Made(c.phase);
  definitions.revisions[1].oldest_build = c.oldest_build;
  const Graph graph(definitions);
  BuildInUse build;
  build.manifest.service = c.service;
  build.manifest.build = c.build;
  build.manifest.footprint = c.footprint;
  build.instance = "i1";
  build.is_silent = c.is_silent;
  if (c.built_for != "-") build.manifest.uses = {{"catalog", "", c.built_for}};
  const std::vector<BuildInUse> builds = {build};
  Plan plan;
  plan.items = {{.position = 1, .steps = {0}}};

  const std::vector<Violation> found = Compatibility(graph, builds).OfPlan(plan, {});

  ASSERT_THAT(found, SizeIs(static_cast<std::size_t>(c.violations)));
  if (found.empty()) return;
  EXPECT_EQ(found[0].object, c.object);
  EXPECT_EQ(found[0].is_gate, c.phase == Phase::kContract);
  EXPECT_EQ(found[0].revision, "bbbb");
  EXPECT_EQ(found[0].owner, "catalog");
  EXPECT_THAT(found[0].text(), HasSubstr("i1"));
}

INSTANTIATE_TEST_SUITE_P(Table, Rules,
                         ::testing::Values(Case{"ExpandLeavesFootprintIntact",
                                                Phase::kExpand,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {"core.t", "core.t.b"},
                                                "",
                                                false,
                                                0,
                                                ""},
                                           Case{"ExpandTakesRelation",
                                                Phase::kExpand,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {"core.old"},
                                                "",
                                                false,
                                                1,
                                                "core.old"},
                                           Case{"ExpandTakesRelationOfWhichOnlyColumnsAreNamed",
                                                Phase::kExpand,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {"core.old.x"},
                                                "",
                                                false,
                                                1,
                                                "core.old"},
                                           Case{"ExpandTakesColumn",
                                                Phase::kExpand,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {"core.t.a"},
                                                "",
                                                false,
                                                1,
                                                "core.t.a"},
                                           Case{"ASilentInstanceNeverBlocksAnExpand",
                                                Phase::kExpand,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {"core.old"},
                                                "",
                                                true,
                                                0,
                                                ""},
                                           Case{"ExpandAndABuildMadeForIt",
                                                Phase::kExpand,
                                                "orders",
                                                "1.0.0",
                                                "bbbb",
                                                {"core.old"},
                                                "",
                                                false,
                                                0,
                                                ""},
                                           Case{"ExpandWithoutFootprint",
                                                Phase::kExpand,
                                                "catalog",
                                                "1.0.0",
                                                "aaaa",
                                                {},
                                                "",
                                                false,
                                                0,
                                                ""},
                                           Case{"ExpandWithoutFootprintTooOld",
                                                Phase::kExpand,
                                                "catalog",
                                                "1.9.0",
                                                "aaaa",
                                                {},
                                                "1.10.0",
                                                false,
                                                1,
                                                ""},
                                           Case{"OldestBuildIsOfTheOwner",
                                                Phase::kExpand,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {},
                                                "2.0.0",
                                                false,
                                                0,
                                                ""},
                                           Case{"MigrateIsLikeExpand",
                                                Phase::kMigrate,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {"core.t.a"},
                                                "",
                                                false,
                                                1,
                                                "core.t.a"},
                                           Case{"ContractBuiltForIt",
                                                Phase::kContract,
                                                "orders",
                                                "1.0.0",
                                                "bbbb",
                                                {"core.old"},
                                                "",
                                                false,
                                                0,
                                                ""},
                                           Case{"ContractBuiltForLater",
                                                Phase::kContract,
                                                "orders",
                                                "1.0.0",
                                                "cccc",
                                                {},
                                                "",
                                                false,
                                                0,
                                                ""},
                                           Case{"ContractBuiltBefore",
                                                Phase::kContract,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {},
                                                "",
                                                false,
                                                1,
                                                ""},
                                           Case{"ContractUsesWhatGoes",
                                                Phase::kContract,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {"core.t.a"},
                                                "",
                                                false,
                                                1,
                                                "core.t.a"},
                                           Case{"ContractProvedByFootprint",
                                                Phase::kContract,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {"core.t.b"},
                                                "",
                                                false,
                                                0,
                                                ""},
                                           Case{"ContractOfSchemasThatNobodyUses",
                                                Phase::kContract,
                                                "orders",
                                                "1.0.0",
                                                "-",
                                                {"transactions.orders"},
                                                "",
                                                false,
                                                0,
                                                ""},
                                           Case{"ContractAndOwnersBuildThatSaysNothing",
                                                Phase::kContract,
                                                "catalog",
                                                "1.0.0",
                                                "-",
                                                {},
                                                "",
                                                false,
                                                1,
                                                ""},
                                           Case{"ContractTooOldThoughBuiltForIt",
                                                Phase::kContract,
                                                "catalog",
                                                "1.0.0",
                                                "cccc",
                                                {},
                                                "1.0.1",
                                                false,
                                                1,
                                                ""},
                                           Case{"ASilentInstanceBlocksAContract",
                                                Phase::kContract,
                                                "orders",
                                                "1.0.0",
                                                "aaaa",
                                                {},
                                                "",
                                                true,
                                                1,
                                                ""}),
                         [](const auto& made) { return std::string(made.param.name); });

TEST(Compatibility, AnUndoNeedsNobodyWhoRequiresOrNamesWhatGoes) {
  Definitions definitions = Made(Phase::kExpand);
  const Graph graph(definitions);
  Plan plan;
  plan.direction = Direction::kDown;
  plan.items = {{.position = 2, .steps = {0}}, {.position = 1, .steps = {0}}};
  const UndoTexts undos = {{{"cccc", 1}, Taking({"core.new"})}, {{"bbbb", 1}, Taking({})}};
  std::vector<BuildInUse> builds(3);
  builds[0].manifest = {"orders", "1.0.0", {{"catalog", "bbbb", "bbbb"}}, {"core.t"}};
  builds[0].instance = "requires";
  builds[1].manifest = {"orders", "1.1.0", {{"catalog", "aaaa", "cccc"}}, {"core.new.x"}};
  builds[2].manifest = {"orders", "0.9.0", {{"catalog", "aaaa", "aaaa"}}, {"core.new"}};

  const std::vector<Violation> found = Compatibility(graph, builds).OfPlan(plan, undos);

  // In the order of the plan: every intermediate state is looked at. The last build was made for
  // the shape that comes back.
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].revision, "cccc");
  EXPECT_EQ(found[0].object, "core.new");
  EXPECT_EQ(found[0].build, "1.1.0");
  EXPECT_EQ(found[0].instance, "");
  EXPECT_THAT(found[0].remedy, HasSubstr("lockstep builds release orders 1.1.0"));
  EXPECT_EQ(found[1].revision, "bbbb");
  EXPECT_TRUE(found[1].is_required);
}

TEST(Compatibility, AnAppliedContractRetiresOnlyWhatItCertainlyBroke) {
  Definitions definitions = Made(Phase::kContract);
  const Graph graph(definitions);
  std::vector<BuildInUse> builds(3);
  builds[0].manifest = {"orders", "1.0.0", {{"catalog", "aaaa", "aaaa"}}, {}};
  builds[1].manifest = {"orders", "1.1.0", {{"catalog", "bbbb", ""}}, {}};
  builds[2].manifest = {"catalog", "1.0.0", {}, {}};
  const Compatibility compatibility(graph, builds);

  EXPECT_TRUE(compatibility.OfApplied(0, {0, 1}).has_value());
  EXPECT_FALSE(compatibility.OfApplied(0, {0}).has_value());
  EXPECT_FALSE(compatibility.OfApplied(1, {0, 1}).has_value());
  EXPECT_FALSE(compatibility.OfApplied(2, {0, 1}).has_value());
}

TEST(Compatibility, BuildsAreComparedByNumber) {
  EXPECT_EQ(CompareBuilds("1.9.0", "1.10.0"), -1);
  EXPECT_EQ(CompareBuilds("2.0.0", "2.0.0"), 0);
  EXPECT_EQ(CompareBuilds("2.0.1", "2.0.0"), 1);
  EXPECT_EQ(CompareBuilds("2.0", "2.0.0"), std::nullopt);
  EXPECT_EQ(CompareBuilds("", "2.0.0"), std::nullopt);
}

TEST(Compatibility, TheParserTellsWhatAScriptTakes) {
  const auto script = ReadScript(
      "x.sql",
      "DROP TABLE core.a; DROP VIEW core.v; DROP INDEX core.i;\n"
      "ALTER TABLE core.b DROP COLUMN c, ALTER COLUMN d TYPE bigint, ADD COLUMN e int;\n"
      "ALTER TABLE core.f RENAME TO g; ALTER TABLE core.b RENAME COLUMN h TO j;\n"
      "ALTER TABLE core.k SET SCHEMA products; ALTER TABLE core.b RENAME CONSTRAINT l TO m;");
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_THAT(script->facts.taken, ElementsAre("core.a", "core.b.c", "core.b.d", "core.b.h",
                                               "core.f", "core.k", "core.v"));
  EXPECT_TRUE(TakingsOf(*script).is_all);
  const auto hidden = ReadScript("y.sql", "DO $$ BEGIN DROP TABLE core.a; END $$;");
  ASSERT_TRUE(hidden.ok()) << hidden.status();
  EXPECT_THAT(TakingsOf(*hidden).objects, IsEmpty());
  EXPECT_FALSE(TakingsOf(*hidden).is_all);
}

}  // namespace
}  // namespace lockstep::migration
