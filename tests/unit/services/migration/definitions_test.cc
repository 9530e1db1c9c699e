#include "services/migration/engine/definitions.h"

#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(LoadDefinitionsTest, AnEmptyFolderIsValid) {
  const MigrationsFolder folder;
  ASSERT_OK_AND_ASSIGN(const Definitions definitions, LoadDefinitions(folder.root()));
  EXPECT_THAT(definitions.revisions, IsEmpty());
  EXPECT_THAT(definitions.releases, IsEmpty());
}

TEST(LoadDefinitionsTest, AMissingFolderIsNotFound) {
  EXPECT_THAT(LoadDefinitions("/nonexistent/migrations"),
              StatusIs(absl::StatusCode::kNotFound, Reason("MIGRATIONS_FOLDER_MISSING")));
}

TEST(LoadDefinitionsTest, ReadsEverythingThatARevisionSays) {
  const MigrationsFolder folder;
  folder.AddRevision("catalog", "c001");
  folder.Write("orders/84bc4d8b03ef_multi_platform/revision.textproto", R"(
id: "84bc4d8b03ef"
aliases: "multi_platform_orders"
title: "Multi-platform orders"
service: "orders"
depends_on: "c001"
created: "2025-10-01"
phase: PHASE_MIGRATE
oldest_build: "2.2.0"
limits { lock_timeout_ms: 500 statement_timeout_ms: 120000 }
steps { name: "columns" description: "New columns" }
steps { name: "index" kind: STEP_KIND_NON_TRANSACTIONAL limits { retry_for_seconds: 30 } }
steps { name: "data" up_file: "move.sql" down_file: "unmove.sql" expect_file: "v1_to_v12.sql" }
references: "core.t_c001"
irreversible_reason: "card data"
archive_forbidden_reason: "card data"
destroys { table: "transactions.orders" key: "id" columns: "notes" where: "notes <> ''" }
index { key_changes: "one" key_changes: "two" impact: "big" next_steps: "n" rollback_hazards: "h" }
suppressions { rule: "L07" reason: "small table" expires: "2026-01-01" }
)");
  const std::string at = "orders/84bc4d8b03ef_multi_platform/";
  folder.Write(at + "01_columns.up.sql", "ALTER TABLE transactions.orders ADD COLUMN notes text;");
  folder.Write(at + "01_columns.down.sql", "ALTER TABLE transactions.orders DROP COLUMN notes;");
  folder.Write(at + "02_index.up.sql",
               "CREATE INDEX CONCURRENTLY i ON transactions.orders (notes);");
  folder.Write(at + "02_index.down.sql", "DROP INDEX CONCURRENTLY transactions.i;");
  folder.Write(at + "move.sql", "UPDATE transactions.orders SET notes = '' FROM core.t_c001;");
  folder.Write(at + "unmove.sql", "-- nothing to take back\n");
  folder.Write(at + "v1_to_v12.sql", "SELECT 'V1', '1', '1';\nSELECT 'V2', '2', '2';");
  folder.Write(at + "verify.sql", "SELECT 1 WHERE false;");
  folder.Write(at + "guard.sql", "SELECT count(*) FROM transactions.orders;");
  folder.Write(at + "README.md", "words");
  folder.Write("releases.textproto", R"(
releases { name: "v1.0.0" date: "2025-08-30" title: "First" revisions: "c001" }
releases {
  name: "v2.2.2" date: "2025-10-01" title: "Orders" revisions: "multi_platform_orders"
  pending { priority: "HIGH" text: "re-source views" }
}
)");
  const LoadResult result = folder.Inspect();
  EXPECT_EQ(JoinProblems(result.problems), "");
  EXPECT_EQ(JoinProblems(result.warnings), "");
  ASSERT_EQ(result.definitions.revisions.size(), 2U);
  const Revision& revision = result.definitions.revisions[1];
  EXPECT_EQ(revision.id, "84bc4d8b03ef");
  EXPECT_EQ(revision.folder, "orders/84bc4d8b03ef_multi_platform");
  EXPECT_THAT(revision.aliases, ElementsAre("multi_platform_orders"));
  EXPECT_THAT(revision.depends_on, ElementsAre("c001"));
  EXPECT_EQ(revision.phase, Phase::kMigrate);
  EXPECT_EQ(revision.oldest_build, "2.2.0");
  EXPECT_EQ(revision.index.impact, "big");
  EXPECT_EQ(revision.irreversible_reason, "card data");
  ASSERT_EQ(revision.destroys.size(), 1U);
  EXPECT_THAT(revision.destroys[0].columns, ElementsAre("notes"));
  EXPECT_EQ(revision.suppressions[0].expires, "2026-01-01");
  EXPECT_FALSE(revision.guard.empty());
  ASSERT_EQ(revision.steps.size(), 3U);
  EXPECT_EQ(revision.steps[0].name, "columns");
  EXPECT_EQ(revision.steps[0].limits.lock_timeout_ms, 500);
  EXPECT_EQ(revision.steps[0].limits.retry_for_seconds, 600);
  EXPECT_EQ(revision.steps[1].ordinal, 2);
  EXPECT_EQ(revision.steps[1].kind, StepKind::kNonTransactional);
  EXPECT_EQ(revision.steps[1].limits.retry_for_seconds, 30);
  EXPECT_EQ(revision.steps[1].limits.statement_timeout_ms, 120'000);
  EXPECT_EQ(revision.steps[1].up.file, at + "02_index.up.sql");
  EXPECT_EQ(revision.steps[2].up.file, at + "move.sql");
  EXPECT_TRUE(revision.steps[2].down.empty());
  EXPECT_EQ(revision.steps[2].expect.statements.size(), 2U);
  EXPECT_THAT(revision.checksum, StartsWith("v1:"));
  EXPECT_THAT(result.definitions.releases[1].revisions, ElementsAre("84bc4d8b03ef"));
  EXPECT_EQ(result.definitions.releases[1].pending[0].text, "re-source views");
}

TEST(LoadDefinitionsTest, AOneStepRevisionNeedsNoStepList) {
  const MigrationsFolder folder;
  folder.AddRevision("catalog", "c001");
  ASSERT_OK_AND_ASSIGN(const Definitions definitions, LoadDefinitions(folder.root()));
  ASSERT_EQ(definitions.revisions[0].steps.size(), 1U);
  EXPECT_EQ(definitions.revisions[0].steps[0].name, "main");
  EXPECT_EQ(definitions.revisions[0].steps[0].kind, StepKind::kTransactional);
  EXPECT_EQ(definitions.revisions[0].steps[0].limits.lock_timeout_ms, 2'000);
}

TEST(LoadDefinitionsTest, OrdersByNeedReleaseServiceAndId) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001");
  folder.AddRevision("orders", "o002", "down_revision: \"o001\"\ndepends_on: \"c002\"\n");
  folder.AddRevision("catalog", "c001", "down_revision: \"c003\"\n");
  folder.AddRevision("catalog", "c003");
  folder.AddRevision("catalog", "c002", "down_revision: \"c001\"\n");
  folder.AddRevision("finance", "f001");
  const auto order = [&] {
    std::string ids;
    for (const Revision& revision : folder.Inspect().definitions.revisions)
      ids += revision.id + " ";
    return ids;
  };
  EXPECT_EQ(order(), "c003 c001 c002 f001 o001 o002 ");
  folder.Write(
      "releases.textproto",
      "releases { name: \"v1\" date: \"2025-01-01\" revisions: \"o001\" revisions: \"f001\" }\n"
      "releases { name: \"v2\" date: \"2025-01-01\" revisions: \"c003\" }\n");
  EXPECT_EQ(order(), "f001 o001 c003 c001 c002 o002 ");
}

struct SpecCase {
  const char* text;     // added to a valid revision.textproto from line 6 on
  const char* problem;  // what follows "orders/o001_x/revision.textproto:"
};

TEST(LoadDefinitionsTest, ReportsBadFieldsWithTheirLine) {
  const SpecCase cases[] = {
      {"oldest_build \"2.2.2\"\n", "6:14: Expected \":\""},
      {"limits { lock_timeout_ms: 1\n", "7:1: "},
      {"colour: 1\n", "6:7: Message type"},
      {"\nid: \"o002\"\n", "7:3: Non-repeated field \"id\""},
      {"aliases: \"ok_name\"\naliases: \"Bad\"\n", "7: alias \"Bad\" must match"},
      {"aliases: \"head\"\n", "6: alias \"head\" must match"},
      {"oldest_build: \"2.2\"\n", "6: oldest_build must be MAJOR.MINOR.PATCH (BUILD_INVALID)"},
      {"limits {\n  lock_timeout_ms: 60001\n}\n", "7: lock_timeout_ms must be from 1 to 60000"},
      {"limits {\n\n  statement_timeout_ms: -1 }\n",
       "8: statement_timeout_ms must be from 1 to 86400000"},
      {"limits { retry_for_seconds: 86401 }\n", "6: retry_for_seconds must be from 1 to 86400"},
      {"references: \"core\"\n", "6: \"core\" must be schema.name"},
      {"references: \"core.a\"\nreferences: \"audit.t\"\n",
       "7: no service owns the schema of audit.t"},
      {"references: \"transactions.t\"\n", "6: transactions.t is the service's own"},
      {"destroys { table: \"core.t\" key: \"id\" }\n",
       "6: \"core.t\" must be a table of the service"},
      {"destroys { table: \"transactions.t\" }\n", "6: key is required"},
      {"suppressions { rule: \"L01\" }\n", "6: a suppression needs a rule and a reason"},
      {"suppressions { rule: \"L01\" reason: \"r\" expires: \"2026-02-30\" }\n",
       "6: expires must be a day"},
      {"down_revision: \"zzzz\"\n", "6: there is no revision zzzz (UNKNOWN_PARENT)"},
      {"depends_on: \"yyyy\"\ndepends_on: \"zzzz\"\n",
       "7: there is no revision zzzz (UNKNOWN_DEPENDENCY)"},
      {"supersedes_verify: \"zzzz\"\n", "6: there is no revision zzzz (UNKNOWN_SUPERSEDED)"},
      {"down_revision: \"c001\"\n", "6: c001 belongs to catalog; name it in depends_on"},
      {"supersedes_verify: \"c001\"\n", "6: c001 is not among what this revision needs"},
      {"down_revision: \"o001\"\n",
       "6: revisions need each other in a circle: o001 -> o001 (CYCLE)"},
      {"aliases: \"c001\"\n", "6: alias c001 is already used by catalog/c001_x/revision.textproto"},
      {"steps { name: \"Bad\" }\n", "6: step name \"Bad\" must be lower snake case"},
      {"steps { name: \"a\" }\nsteps { name: \"a\" }\n", "7: two steps are called \"a\""},
      {"steps {\n  name: \"a\"\n  up_file: \"../x.sql\" }\n",
       "7: \"../x.sql\" must be a file in the"},
      {"steps { name: \"a\"\n  expect_file: \"e.sql\"\n  kind: STEP_KIND_NON_TRANSACTIONAL }\n",
       "7: expectations are checked inside the step's transaction"},
      {"steps { name: \"a\" }\n", "6: 01_a.up.sql is missing (FILE_MISSING)"},
      {"steps { name: \"a\" up_file: \"up.sql\" down_file: \"up.sql\" }\n",
       "6: up.sql is used for two purposes"},
  };
  for (const SpecCase& c : cases) {
    const MigrationsFolder folder;
    folder.AddRevision("catalog", "c001");
    folder.AddRevision("orders", "o001", c.text);
    EXPECT_THAT(folder.Problems(),
                Contains(StartsWith(std::string("orders/o001_x/revision.textproto:") + c.problem)))
        << c.text;
  }
}

TEST(LoadDefinitionsTest, ReportsWhatIsMissingOrWrongInTheFirstLines) {
  struct Case {
    const char* line;  // of the valid file
    const char* instead;
    const char* problem;
  };
  const Case cases[] = {
      {"id: \"o001\"", "id: \"o1\"", "1: id \"o1\" must match"},
      {"id: \"o001\"", "id: \"base\"", "1: id \"base\" must match"},
      {"id: \"o001\"", "id: \"o009\"", "1: folder o001_x must be named o009_<slug>"},
      {"title: \"Adds o001\"", "", "1: title must have 1 to 100 characters"},
      {"service: \"orders\"", "service: \"finance\"", "3: service \"finance\" is not the folder"},
      {"created: \"2025-10-01\"", "created: \"2025-13-01\"", "4: created must be a day"},
      {"created: \"2025-10-01\"", "created: \"1.10.2025\"", "4: created must be a day"},
      {"created: \"2025-10-01\"", "created: \"2025-02-29\"", "4: created must be a day"},
      {"phase: PHASE_EXPAND", "", "1: phase must be"},
      {"phase: PHASE_EXPAND", "phase: PHASE_UNSPECIFIED", "5: phase must be"},
  };
  for (const Case& c : cases) {
    const MigrationsFolder folder;
    folder.AddRevision("orders", "o001");
    std::string text =
        "id: \"o001\"\ntitle: \"Adds o001\"\nservice: \"orders\"\ncreated: \"2025-10-01\"\nphase: "
        "PHASE_EXPAND\n";
    text.replace(text.find(c.line), std::string(c.line).size(), c.instead);
    folder.Write("orders/o001_x/revision.textproto", text);
    EXPECT_THAT(folder.Problems(),
                Contains(StartsWith(std::string("orders/o001_x/revision.textproto:") + c.problem)))
        << c.instead;
  }
}

TEST(LoadDefinitionsTest, ReportsFiles) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001", "irreversible_reason: \"gone is gone\"\n");
  folder.Remove("orders/o001_x/down.sql");
  folder.Remove("orders/o001_x/verify.sql");
  folder.Write("orders/o001_x/up.sql", "-- nothing\n");
  folder.Write("orders/o001_x/03_old.up.sql", "SELECT 1;");
  folder.Write("payments/p001_x/revision.textproto", "");
  folder.Write("orders/notes.txt", "free");
  folder.Write("catalog/c001_x/up.sql", "SELECT 1;");
  EXPECT_THAT(
      folder.Problems(),
      ElementsAre(
          StartsWith("catalog/c001_x/revision.textproto: the folder has no readable"),
          HasSubstr("orders/o001_x/03_old.up.sql: no step of revision.textproto uses this file"),
          StartsWith("orders/o001_x/guard.sql: an irreversible revision needs a guard"),
          StartsWith("orders/o001_x/revision.textproto:1: down.sql is missing (FILE_MISSING)"),
          StartsWith("orders/o001_x/up.sql: a step must hold at least one statement"),
          StartsWith("orders/o001_x/verify.sql: verify.sql is missing (FILE_MISSING)"),
          StartsWith("payments: the folder is named after no service")));
}

TEST(LoadDefinitionsTest, ReportsSqlOfEveryFile) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001", "references: \"core.unused\"\n");
  folder.Write("orders/o001_x/up.sql", "SELECT 1;\nCOMMIT;\n");
  folder.Write("orders/o001_x/down.sql", "DROP TABLE core.t;\n");
  folder.Write("orders/o001_x/verify.sql", "SELECT 1 FROM core.t;\n");
  folder.Write("orders/o001_x/guard.sql", "DELETE FROM transactions.t;\n");
  EXPECT_THAT(
      folder.Problems(),
      ElementsAre(
          AllOf(StartsWith("orders/o001_x/down.sql:1:1: "), HasSubstr("SQL_FOREIGN_SCHEMA")),
          AllOf(StartsWith("orders/o001_x/guard.sql:1:1: "), HasSubstr("SQL_NOT_A_QUERY")),
          AllOf(StartsWith("orders/o001_x/up.sql:2:1: "), HasSubstr("SQL_TRANSACTION_CONTROL")),
          AllOf(StartsWith("orders/o001_x/verify.sql:1:15: "),
                HasSubstr("SQL_UNDECLARED_REFERENCE"))));
  EXPECT_THAT(
      folder.Warnings(),
      ElementsAre(StartsWith("orders/o001_x/revision.textproto:6: nothing refers to core.unused")));
}

TEST(LoadDefinitionsTest, OpaqueScriptsAreWarnings) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001");
  folder.Write("orders/o001_x/up.sql",
               "MERGE INTO transactions.t USING transactions.u ON true WHEN NOT MATCHED BY SOURCE "
               "THEN DELETE;");
  EXPECT_THAT(folder.Problems(), IsEmpty());
  EXPECT_THAT(folder.Warnings(), ElementsAre(HasSubstr("SQL_OPAQUE")));
  ASSERT_OK_AND_ASSIGN(const Definitions definitions, LoadDefinitions(folder.root()));
  EXPECT_THAT(definitions.warnings, ElementsAre(::testing::Field(&Problem::code, "SQL_OPAQUE")));
}

TEST(LoadDefinitionsTest, NamesCyclesByTheirPath) {
  const MigrationsFolder folder;
  folder.AddRevision("catalog", "c001", "depends_on: \"f001\"\n");
  folder.AddRevision("orders", "o001", "depends_on: \"c001\"\n");
  folder.AddRevision("finance", "f001", "\n\ndepends_on: \"o001\"\n");
  EXPECT_THAT(
      folder.Problems(),
      ElementsAre("orders/o001_x/revision.textproto:6: revisions need each other in a circle: "
                  "c001 -> f001 -> o001 -> c001 (CYCLE)"));
}

TEST(LoadDefinitionsTest, NamesEveryCycle) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001", "down_revision: \"o002\"\n");
  folder.AddRevision("orders", "o002", "\ndown_revision: \"o001\"\n");
  folder.AddRevision("finance", "f001", "down_revision: \"f001\"\n");
  EXPECT_THAT(
      folder.Problems(),
      ElementsAre(HasSubstr("finance/f001_x/revision.textproto:6: revisions need each other in a "
                            "circle: f001 -> f001"),
                  HasSubstr("orders/o002_x/revision.textproto:7: revisions need each other in a "
                            "circle: o001 -> o002 -> o001")));
}

TEST(LoadDefinitionsTest, RefusesSeveralRootsAndHeads) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001");
  folder.AddRevision("orders", "o002", "down_revision: \"o001\"\n");
  folder.AddRevision("orders", "o003", "down_revision: \"o001\"\n");
  folder.AddRevision("finance", "f001");
  folder.AddRevision("finance", "f002");
  EXPECT_THAT(
      folder.Problems(),
      ElementsAre(
          HasSubstr("f001_x/revision.textproto:1: service finance has several heads: f001, f002"),
          HasSubstr("f001_x/revision.textproto:1: service finance has several first revisions"),
          HasSubstr("f002_x/revision.textproto:1: service finance has several heads"),
          HasSubstr("f002_x/revision.textproto:1: service finance has several first revisions"),
          HasSubstr(
              "o002_x/revision.textproto:6: service orders has several heads: o002, o003; add a "
              "merge revision"),
          HasSubstr("o003_x/revision.textproto:6: service orders has several heads")));
  // A merge mends it.
  folder.Remove("finance");
  folder.AddRevision("orders", "o004", "down_revision: \"o002\"\ndown_revision: \"o003\"\n");
  EXPECT_THAT(folder.Problems(), IsEmpty());
}

TEST(LoadDefinitionsTest, RefusesDuplicateNames) {
  const MigrationsFolder folder;
  folder.AddRevision("catalog", "same", "aliases: \"older\"\n");
  folder.AddRevision("orders", "same");
  folder.AddRevision("finance", "f001", "aliases: \"f000\"\naliases: \"older\"\n");
  EXPECT_THAT(folder.Problems(),
              ElementsAre("finance/f001_x/revision.textproto:7: alias older is already used by "
                          "catalog/same_x/revision.textproto (ID_TAKEN)",
                          "orders/same_x/revision.textproto:1: id same is already used by "
                          "catalog/same_x/revision.textproto (ID_TAKEN)"));
}

TEST(LoadDefinitionsTest, RefusesADependencyWithinTheService) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001");
  folder.AddRevision("orders", "o002", "down_revision: \"o001\"\ndepends_on: \"o001\"\n");
  EXPECT_THAT(folder.Problems(),
              ElementsAre(HasSubstr("o002_x/revision.textproto:7: o001 is of the same "
                                    "service")));
}

TEST(LoadDefinitionsTest, AnUnreadableFileIsNotAlsoAMissingParent) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001");
  folder.AddRevision("orders", "o002", "down_revision: \"o001\"\n");
  folder.Write("orders/o001_x/revision.textproto", "id \"o001\"");
  folder.Write("releases.textproto",
               "releases { name: \"v1\" date: \"2025-01-01\" revisions: \"o001\" }");
  EXPECT_THAT(folder.Problems(), ElementsAre(StartsWith("orders/o001_x/revision.textproto:1:4: ")));
}

TEST(LoadDefinitionsTest, RefusesRevisionsWithoutAFileOfReleases) {
  const MigrationsFolder folder;
  folder.AddRevision("catalog", "c001");
  folder.Remove("releases.textproto");
  EXPECT_THAT(folder.Problems(),
              ElementsAre("releases.textproto: the file is missing; without releases it is there "
                          "and empty (FILE_MISSING)"));
}

TEST(LoadDefinitionsTest, ChecksReleases) {
  const MigrationsFolder folder;
  folder.AddRevision("catalog", "c001");
  folder.AddRevision("orders", "o001");
  folder.AddRevision("orders", "o002", "down_revision: \"o001\"\ndepends_on: \"c001\"\n");
  folder.Write("releases.textproto", R"(releases { name: "v1" date: "2025-01-01"
  revisions: "o002"
}
releases { name: "v1" date: "soon" revisions: "o001"
  revisions: "zzzz"
  revisions: "o002"
}
releases { name: "c001" date: "2025-01-01" }
releases { name: "head" date: "2025-01-01" }
releases { name: "v9" date: "2025-01-01"
  pending { priority: "URGENT" text: "x" }
}
)");
  EXPECT_THAT(
      folder.Problems(),
      ElementsAre("releases.textproto:2: release v1 has o002 but not c001, which it needs "
                  "(RELEASE_NOT_CLOSED)",
                  "releases.textproto:2: release v1 has o002 but not o001, which it needs "
                  "(RELEASE_NOT_CLOSED)",
                  "releases.textproto:4: date must be a day, YYYY-MM-DD (DATE_INVALID)",
                  "releases.textproto:4: two releases are called v1 (RELEASE_TAKEN)",
                  "releases.textproto:5: there is no revision zzzz (RELEASE_UNKNOWN_REVISION)",
                  "releases.textproto:6: o002 is already in release v1 (REVISION_IN_TWO_RELEASES)",
                  "releases.textproto:8: release c001 has the name of a revision (RELEASE_TAKEN)",
                  StartsWith("releases.textproto:9: release name \"head\" must match"),
                  StartsWith("releases.textproto:11: priority \"URGENT\" must be HIGH")));
}

TEST(LoadDefinitionsTest, TheStatusListsEverythingOnePerLine) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001", "down_revision: \"zzzz\"\n");
  folder.Write("orders/o001_x/up.sql", "COMMIT;");
  const auto loaded = LoadDefinitions(folder.root());
  EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kInvalidArgument, Reason("DEFINITIONS_INVALID")));
  EXPECT_EQ(MessageOf(loaded.status()),
            "orders/o001_x/revision.textproto:6: there is no revision zzzz (UNKNOWN_PARENT)\n"
            "orders/o001_x/up.sql:1:1: TRANSACTION: the engine begins and ends transactions "
            "(SQL_TRANSACTION_CONTROL)");
  EXPECT_EQ(MetadataOf(loaded.status(), "problems"), "2");
}

TEST(LoadDefinitionsTest, ChecksumsFollowTheFiles) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001");
  const Revision before = folder.Inspect().definitions.revisions[0];
  folder.Write("orders/o001_x/up.sql",
               "-- reformatted\ncreate table transactions.t_o001\n(id uuid primary key);");
  EXPECT_EQ(folder.Inspect().definitions.revisions[0].checksum, before.checksum);
  folder.Write("orders/o001_x/verify.sql", "SELECT 1 WHERE false;");
  const Revision verify_changed = folder.Inspect().definitions.revisions[0];
  EXPECT_NE(verify_changed.checksum, before.checksum);
  EXPECT_EQ(verify_changed.steps[0].checksum, before.steps[0].checksum);
  folder.Write("orders/o001_x/down.sql", "DROP TABLE IF EXISTS transactions.t_o001;");
  EXPECT_NE(folder.Inspect().definitions.revisions[0].steps[0].checksum, before.steps[0].checksum);
}

}  // namespace
}  // namespace lockstep::migration
