// How the ledger comes into being, grows with the engine, and who may write it.
#include "common/pg/connection.h"
#include "common/pg/sqlstate.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using BootstrapTest = EngineTest;

TEST_F(BootstrapTest, BootstrapAgainDoesNothing) {
  EngineOptions options;
  options.database_url = db_.url();
  ASSERT_OK_AND_ASSIGN(const BootstrapReport again,
                       Engine(options, Definitions{}).Bootstrap(context_));

  EXPECT_THAT(again.done, IsEmpty());
  EXPECT_EQ(again.ledger_version, LedgerVersion());
}

TEST_F(BootstrapTest, BootstrapBringsALedgerOfVersion1ForwardAndKeepsWhatItSays) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  db_.Execute("CREATE TABLE public.kept AS SELECT * FROM migration.applied_revisions");
  // What version 1 was: its own functions, and no word of a later version.
  db_.Execute("DELETE FROM migration.ledger_version WHERE version > 1");
  db_.Execute(
      "CREATE OR REPLACE FUNCTION migration.assert_step(p_role text, p_settings text,"
      " p_schemas text[], p_references text[]) RETURNS void LANGUAGE plpgsql AS"
      " $f$ BEGIN RAISE EXCEPTION 'of version 1'; END $f$");
  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEDGER_OUTDATED")));

  EngineOptions options;
  options.database_url = db_.url();
  ASSERT_OK_AND_ASSIGN(const BootstrapReport report,
                       Engine(options, Definitions{}).Bootstrap(context_));
  EXPECT_THAT(report.done,
              ElementsAre("brought the ledger to version 2", "brought the ledger to version 3",
                          "brought the ledger to version 4", "brought the ledger to version 5",
                          "brought the ledger to version 6", "brought the ledger to version 7",
                          "brought the ledger to version 8", "brought the ledger to version 9",
                          "brought the ledger to version 10", "brought the ledger to version 11",
                          "brought the ledger to version 12", "brought the ledger to version 13",
                          "brought the ledger to version 14"));
  folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM public.kept JOIN migration.applied_revisions"
                          " USING (revision, checksum, applied_at, run_id)"),
            "1");
}

TEST_F(BootstrapTest, SaysThatBootstrapIsMissing) {
  const testing::TestDatabase empty = testing::TestDatabase::Create();
  EngineOptions options;
  options.database_url = empty.url();

  EXPECT_THAT(Engine(options, Definitions{}).Current(context_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEDGER_MISSING")));
}

TEST_F(BootstrapTest, BootstrapNeedsAnAdministrator) {
  const testing::TestDatabase empty = testing::TestDatabase::Create();
  EngineOptions options;
  options.database_url = empty.url("lockstep_migrator");

  EXPECT_EQ(ExitClassOf(Engine(options, Definitions{}).Bootstrap(context_).status()),
            ExitClass::kNotPermitted);
}

TEST_F(BootstrapTest, RefusesLedgerOfNewerEngine) {
  db_.Execute("INSERT INTO migration.ledger_version (version) VALUES (99)");

  EXPECT_THAT(NewEngine()->Current(context_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LEDGER_TOO_NEW")));
}

TEST_F(BootstrapTest, OwnersAndServicesCannotReadOrWriteArchivedScripts) {
  folder_.AddRevision("catalog", "aaaa");
  ASSERT_OK(Upgrade());
  for (const std::string role : {"catalog_owner", "catalog_app", "orders_owner", "orders_app"}) {
    for (const std::string sql :
         {"UPDATE migration.archived_scripts SET body = 'SELECT 1'",
          "INSERT INTO migration.archived_scripts VALUES ('aaaa', 1, 'expect', 'f', 'b', 's')",
          "DELETE FROM migration.archived_scripts", "TRUNCATE migration.archived_scripts",
          "SELECT body FROM migration.archived_scripts",
          "SELECT migration.keep_scripts('aaaa', '[]')"}) {
      pg::ConnectionOptions options;
      options.database_url = db_.url();
      ASSERT_OK_AND_ASSIGN(const auto connection, pg::Connection::Open(options));
      ASSERT_OK(connection->Script("SET ROLE " + role));
      EXPECT_EQ(pg::SqlStateOf(connection->Query(sql).status()), "42501") << role << ": " << sql;
    }
  }
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.archived_scripts WHERE role = 'down'"
                          " AND body LIKE 'DROP TABLE%'"),
            "1");
}

}  // namespace
}  // namespace lockstep::migration
