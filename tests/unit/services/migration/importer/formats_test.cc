// What each tool calls a migration, in which order it runs them, and what its marks mean.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/services/migration/importer/planted_history.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(GolangMigrate, OrdersByNumberAndPairsDirections) {
  const History history =
      ReadPlanted(HistoryFormat::kGolangMigrate, {{"10_ten.up.sql", "SELECT 10"},
                                                  {"9_add users & odd-names.up.sql", "SELECT 9"},
                                                  {"9_add users & odd-names.down.sql", "SELECT -9"},
                                                  {"0011_.up.sql", "SELECT 11"},
                                                  {"README.md", ""},
                                                  {"sub/12_x.up.sql", ""}});
  EXPECT_EQ(VersionsOf(history), "9:add users & odd-names 10:ten 0011:");
  EXPECT_EQ(CodeOf(history.migrations[0].down), "SELECT -9");
  EXPECT_EQ(history.migrations[1].down.file, "");
  EXPECT_THAT(history.ignored, ElementsAre("README.md", "sub/12_x.up.sql"));
  EXPECT_THAT(history.problems, IsEmpty());
}

TEST(GolangMigrate, NamesWhatCannotBeCarriedOver) {
  const History history = ReadPlanted(HistoryFormat::kGolangMigrate, {{"1_a.up.sql", ""},
                                                                      {"01_b.up.sql", ""},
                                                                      {"2_c.down.sql", ""},
                                                                      {"3_d.up.json", ""},
                                                                      {"4_e.up.sql", ""},
                                                                      {"4_f.up.sql", ""}});
  EXPECT_THAT(
      TextsOf(history.problems),
      ElementsAre("1_a.up.sql:0 IMPORT_DUPLICATE_VERSION", "2_c.down.sql:0 IMPORT_UP_MISSING",
                  "3_d.up.json:0 IMPORT_NOT_SQL", "4_f.up.sql:0 IMPORT_DUPLICATE_VERSION"));
}

TEST(Goose, ReadsItsMarksWithoutMovingLines) {
  const std::string text =
      "\xEF\xBB\xBF-- +goose NO TRANSACTION\r\n-- +goose Up\r\n-- +goose StatementBegin\r\n"
      "CREATE FUNCTION f() RETURNS int AS $$ BEGIN; RETURN 1; END $$ LANGUAGE plpgsql;\r\n"
      "-- +goose StatementEnd\r\n-- +goose Down\r\nDROP FUNCTION f();\r\n";
  const History history = ReadPlanted(
      HistoryFormat::kGoose, {{"002_b.sql", text}, {"1_a.sql", "-- +goose up\nSELECT 1;"}});
  EXPECT_EQ(VersionsOf(history), "1:a 002:b");
  const SourceMigration& second = history.migrations[1];
  EXPECT_FALSE(second.up.in_transaction);
  EXPECT_EQ(LinesOf(second.up.text)[3].text.substr(0, 17), "CREATE FUNCTION f");
  EXPECT_EQ(CodeOf(second.down), "DROP FUNCTION f();");
  EXPECT_EQ(LinesOf(second.down.text)[6].text, "DROP FUNCTION f();");
  EXPECT_THAT(history.problems, IsEmpty());
}

TEST(Goose, NamesGoFilesBrokenMarksAndMissingValues) {
  const History history = ReadPlanted(
      HistoryFormat::kGoose,
      {{"1_a.go", ""},
       {"1_a_test.go", ""},
       {"2_b.sql", "SELECT 1;"},
       {"3_c.sql", "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;"},
       {"4_d.sql", "-- +goose Up\n-- +goose Sideways\nSELECT 1;"},
       {"5_e.sql", "-- +goose ENVSUB ON\n-- +goose Up\nSELECT '${A}', '${B}', '${C:-c}';"}},
      {{"A", "a"}});
  EXPECT_THAT(TextsOf(history.problems),
              ElementsAre("1_a.go:0 IMPORT_NOT_SQL", "2_b.sql:0 IMPORT_UP_MISSING",
                          "3_c.sql:2 IMPORT_MARK_INVALID", "4_d.sql:2 IMPORT_MARK_INVALID",
                          "5_e.sql:3 IMPORT_PLACEHOLDER_MISSING"));
  EXPECT_EQ(CodeOf(history.migrations.back().up), "SELECT 'a', '', 'c';");
}

TEST(Dbmate, OrdersByFileNameAndReadsOptions) {
  const History history =
      ReadPlanted(HistoryFormat::kDbmate,
                  {{"20240102_b.sql",
                    "-- migrate:up transaction:false\nVACUUM;\n\n-- migrate:down\nSELECT 'a;b';\n"},
                   {"20240101_a.sql", "-- migrate:up\nSELECT 1;\n"},
                   {"20240103_c.sql", "SELECT 1;"},
                   {"20240104_d.sql", "-- migrate:up later:true\nSELECT 1;"},
                   {"schema.sql", ""}});
  EXPECT_EQ(VersionsOf(history), "20240101:a 20240102:b 20240104:d");
  EXPECT_TRUE(history.migrations[0].up.in_transaction);
  EXPECT_FALSE(history.migrations[1].up.in_transaction);
  EXPECT_EQ(CodeOf(history.migrations[1].down), "SELECT 'a;b';");
  EXPECT_THAT(TextsOf(history.problems), ElementsAre("20240103_c.sql:0 IMPORT_UP_MISSING",
                                                     "20240104_d.sql:1 IMPORT_MARK_INVALID"));
  EXPECT_THAT(history.ignored, ElementsAre("schema.sql"));
}

TEST(Diesel, StripsDashesFromVersions) {
  const History history =
      ReadPlanted(HistoryFormat::kDiesel,
                  {{"2019-02-26-002946_create_user/up.sql", "SELECT 2"},
                   {"2019-02-26-002946_create_user/down.sql", "SELECT -2"},
                   {"20190226002945_first/up.sql", "SELECT 1"},
                   {"20190226002945_first/metadata.toml", "# why\nrun_in_transaction = false\n"},
                   {"3_lost/down.sql", ""},
                   {".gitkeep", ""}});
  EXPECT_EQ(VersionsOf(history), "20190226002945:first 20190226002946:create_user");
  EXPECT_FALSE(history.migrations[0].up.in_transaction);
  EXPECT_TRUE(history.migrations[1].up.in_transaction);
  EXPECT_THAT(TextsOf(history.problems), ElementsAre("3_lost/down.sql:0 IMPORT_UP_MISSING"));
}

TEST(Flyway, OrdersVersionsByPartsAndRepeatablesLast) {
  const History history =
      ReadPlanted(HistoryFormat::kFlyway, {{"R__b_view.sql", "SELECT 'b'"},
                                           {"R__a_view.sql", "SELECT 'a'"},
                                           {"V10__ten.sql", "SELECT 10"},
                                           {"more/V2_1__two_one.sql", "SELECT 21"},
                                           {"V2__two.sql", "SELECT '${flyway:defaultSchema}'"},
                                           {"U2__two.sql", "SELECT -2"},
                                           {"V2__two.sql.conf", "executeInTransaction=false\n"}});
  ASSERT_EQ(history.migrations.size(), 5U);
  EXPECT_EQ(history.migrations[0].version, "2");
  EXPECT_FALSE(history.migrations[0].up.in_transaction);
  EXPECT_EQ(CodeOf(history.migrations[0].up), "SELECT 'public'");
  EXPECT_EQ(CodeOf(history.migrations[0].down), "SELECT -2");
  EXPECT_EQ(history.migrations[1].version, "2.1");
  EXPECT_EQ(history.migrations[2].version, "10");
  EXPECT_EQ(history.migrations[3].name, "a view");
  EXPECT_THAT(history.problems, IsEmpty());
}

TEST(Flyway, GivesAChangedRepeatableAnotherVersion) {
  const History one = ReadPlanted(HistoryFormat::kFlyway, {{"R__v.sql", "SELECT 1"}});
  const History other = ReadPlanted(HistoryFormat::kFlyway, {{"R__v.sql", "SELECT 2"}});
  EXPECT_NE(one.migrations[0].version, other.migrations[0].version);
}

TEST(Flyway, NamesCallbacksJavaBaselinesAndPlaceholders) {
  const History history = ReadPlanted(HistoryFormat::kFlyway,
                                      {{"beforeMigrate.sql", ""},
                                       {"afterMigrate__x.sql", ""},
                                       {"V1__a.java", ""},
                                       {"B3__base.sql", ""},
                                       {"V1__ok.sql", "-- ${comment}\nSELECT 1;\nSELECT '${gap}';"},
                                       {"V1.0__again.sql", ""},
                                       {"U7__nothing.sql", ""},
                                       {"notes.sql", ""}});
  EXPECT_THAT(
      TextsOf(history.problems),
      ElementsAre("B3__base.sql:0 IMPORT_BASELINE", "U7__nothing.sql:0 IMPORT_UP_MISSING",
                  "V1__a.java:0 IMPORT_NOT_SQL", "V1__ok.sql:0 IMPORT_DUPLICATE_VERSION",
                  "V1__ok.sql:3 IMPORT_PLACEHOLDER_MISSING",
                  "afterMigrate__x.sql:0 IMPORT_CALLBACK", "beforeMigrate.sql:0 IMPORT_CALLBACK"));
  EXPECT_THAT(history.ignored, ElementsAre("notes.sql"));
}

TEST(Sqitch, FollowsThePlanWithTagsAndReworks) {
  const History history =
      ReadPlanted(HistoryFormat::kSqitch,
                  {{"sqitch.plan",
                    "%syntax-version=1.0.0\n%project=shop\n\nusers 2024-01-01T00:00:00Z A <a@x> # "
                    "[not] a list\n"
                    "@v1 2024-01-01T00:00:00Z A <a@x>\n"
                    "lists [users] 2024-01-02T00:00:00Z A <a@x>\n"
                    "users [users@v1 lists other:thing !bad] 2024-01-03T00:00:00Z A <a@x>\n"},
                   {"sqitch.conf", ""},
                   {"deploy/users.sql", "SELECT 3"},
                   {"deploy/users@v1.sql", "SELECT 1"},
                   {"revert/users@v1.sql", "SELECT -1"},
                   {"deploy/lists.sql", "SELECT 2"},
                   {"verify/lists.sql", ""}});
  EXPECT_EQ(VersionsOf(history), "users@v1:users@v1 lists:lists users:users");
  EXPECT_THAT(history.migrations[0].tags, ElementsAre("v1"));
  EXPECT_EQ(CodeOf(history.migrations[0].down), "SELECT -1");
  EXPECT_THAT(TextsOf(history.notes),
              ElementsAre("sqitch.plan:7 IMPORT_CONFLICT_LEFT_OUT",
                          "sqitch.plan:7 IMPORT_OTHER_PROJECT", "verify:0 IMPORT_VERIFY_LEFT_OUT"));
  EXPECT_THAT(history.ignored, ElementsAre("sqitch.conf"));
  EXPECT_THAT(history.problems, IsEmpty());
}

TEST(Sqitch, NamesWhatThePlanMisses) {
  const History history = ReadPlanted(
      HistoryFormat::kSqitch, {{"db/sqitch.plan", "a [b] 2024-01-01T00:00:00Z A <a@x>\n-c\n"}});
  EXPECT_THAT(TextsOf(history.problems), ElementsAre("db/sqitch.plan:1 IMPORT_PLAN_INVALID",
                                                     "db/sqitch.plan:1 IMPORT_UP_MISSING",
                                                     "db/sqitch.plan:2 IMPORT_PLAN_INVALID"));
  EXPECT_THAT(TextsOf(ReadPlanted(HistoryFormat::kSqitch, {{"a.sql", ""}}).problems),
              ElementsAre("sqitch.plan:0 IMPORT_PLAN_MISSING"));
}

TEST(AlembicSql, CutsTheOutputIntoRevisions) {
  const History history = ReadPlanted(
      HistoryFormat::kAlembicSql,
      {{"up.sql",
        "BEGIN;\n\nCREATE TABLE alembic_version (\n  version_num VARCHAR(32) NOT NULL\n);\n\n"
        "-- Running upgrade  -> a1\n\nCREATE TABLE t (i int);\n\n"
        "INSERT INTO alembic_version (version_num) VALUES ('a1') RETURNING "
        "alembic_version.version_num;\n\n"
        "-- Running upgrade a1 -> b2\n\nALTER TABLE t ADD j int;\n\n"
        "UPDATE alembic_version SET version_num='b2' WHERE alembic_version.version_num = 'a1';\n\n"
        "COMMIT;\n\n"},
       {"down.sql",
        "BEGIN;\n\n-- Running downgrade b2 -> a1\n\nALTER TABLE t DROP COLUMN j;\n\n"
        "UPDATE alembic_version SET version_num='a1' WHERE alembic_version.version_num = 'b2';\n\n"
        "-- Running downgrade a1 -> \n\nDROP TABLE t;\n\nDELETE FROM alembic_version WHERE "
        "alembic_version.version_num = 'a1';\n\nDROP TABLE alembic_version;\n\nCOMMIT;\n"},
       {"env.py", ""}});
  EXPECT_EQ(VersionsOf(history), "a1:a1 b2:b2");
  EXPECT_EQ(CodeOf(history.migrations[0].up), "CREATE TABLE t (i int);");
  EXPECT_EQ(LinesOf(history.migrations[1].up.text)[14].text, "ALTER TABLE t ADD j int;");
  EXPECT_EQ(CodeOf(history.migrations[1].down), "ALTER TABLE t DROP COLUMN j;");
  EXPECT_THAT(TextsOf(history.problems), ElementsAre("env.py:0 IMPORT_NOT_SQL"));
}

TEST(Sourcegraph, OrdersParentsFirst) {
  const History history = ReadPlanted(
      HistoryFormat::kSourcegraph,
      {{"30_c/up.sql", "SELECT 3"},
       {"30_c/metadata.yaml", "name: 'third one'\nparents: [10, 20]\nprivileged: true\n"},
       {"20/up.sql", "SELECT 2"},
       {"20/metadata.yaml", "parents:\n  - 40\n"},
       {"40/up.sql", "SELECT 4"},
       {"40/metadata.yaml", "name: fourth\nparents: []\n"},
       {"10_a/up.sql", "SELECT 1"},
       {"10_a/down.sql", "SELECT -1"},
       {"squashed.sql", ""}});
  EXPECT_EQ(VersionsOf(history), "10:a 40:fourth 20: 30:third one");
  EXPECT_TRUE(history.migrations[3].is_privileged);
  EXPECT_THAT(history.ignored, ElementsAre("squashed.sql"));
  EXPECT_THAT(history.problems, IsEmpty());
}

TEST(Sourcegraph, NamesCirclesAndMissingParents) {
  const History history =
      ReadPlanted(HistoryFormat::kSourcegraph, {{"1/up.sql", ""},
                                                {"1/metadata.yaml", "parents: [2]"},
                                                {"2/up.sql", ""},
                                                {"2/metadata.yaml", "parents: [1, 9]"},
                                                {"3/down.sql", ""}});
  EXPECT_THAT(TextsOf(history.problems),
              ElementsAre(":0 IMPORT_CYCLE", "2/metadata.yaml:0 IMPORT_PARENT_MISSING",
                          "3:0 IMPORT_UP_MISSING"));
}

TEST(Formats, AreNamedAndAnEmptyFolderIsAProblem) {
  for (const std::string& name : HistoryFormats()) {
    const auto format = ParseHistoryFormat(name);
    ASSERT_TRUE(format.has_value()) << name;
    EXPECT_EQ(ToText(*format), name);
    EXPECT_EQ(ReadPlanted(*format, {{"README", ""}}).problems.size(), 1U) << name;
  }
  EXPECT_FALSE(ParseHistoryFormat("liquibase").has_value());
}

}  // namespace
}  // namespace lockstep::migration
