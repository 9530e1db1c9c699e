// Gates of CONTRACT revisions: who keeps them closed, what opens them, and what soaks.
#include "services/migration/engine/run/gate.h"

#include <thread>

#include "absl/time/clock.h"
#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/sha256.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class GateTest : public EngineTest {
 protected:
  // aaaa makes core.old with a row; bbbb drops it.
  void Prepare(const std::string& more = "") {
    WriteRevision("aaaa", "",
                  {{"up.sql",
                    "CREATE TABLE core.old (id int PRIMARY KEY);\n"
                    "INSERT INTO core.old VALUES (1);\n"
                    "GRANT USAGE ON SCHEMA core TO catalog_app;\n"
                    "GRANT SELECT ON core.old TO catalog_app;"},
                   {"down.sql", "DROP TABLE core.old;"},
                   {"verify.sql", "SELECT 1 FROM core.old WHERE false;"}});
    ASSERT_OK(Upgrade());
    folder_.Write("catalog/bbbb_x/revision.textproto",
                  "id: \"bbbb\"\ntitle: \"Drop it\"\nservice: \"catalog\"\ncreated: "
                  "\"2025-10-01\"\nphase: PHASE_CONTRACT\ndown_revision: \"aaaa\"\n"
                  "supersedes_verify: \"aaaa\"\n" +
                      more);
    folder_.Write("catalog/bbbb_x/up.sql", "DROP TABLE core.old;");
    folder_.Write("catalog/bbbb_x/down.sql", "CREATE TABLE core.old (id int PRIMARY KEY);");
    folder_.Write("catalog/bbbb_x/verify.sql", "SELECT 1 FROM pg_catalog.pg_class WHERE false;");
  }

  absl::StatusOr<Instance> Register(const std::string& id, const std::string& built_for,
                                    std::set<std::string, std::less<>> footprint = {}) {
    RegisterOptions options;
    options.id = id;
    options.service = "orders";
    options.build = "1.0.0";
    options.address = "h:1";
    options.ttl = absl::Minutes(1);
    options.manifest.uses = {{"catalog", "", built_for}};
    options.manifest.footprint = std::move(footprint);
    return NewEngine()->Register(context_, options);
  }
  absl::StatusOr<RunReport> UpgradeNow() {
    return Upgrade("head", {.gate_wait = absl::ZeroDuration()});
  }
  std::unique_ptr<pg::Connection> Connect(const std::string& name) const {
    pg::ConnectionOptions options;
    options.database_url = db_.url("catalog_app");
    options.application_name = name;
    auto connection = pg::Connection::Open(options);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
};

auto IsClosed() { return StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GATE_CLOSED")); }

TEST_F(GateTest, HoldsAContractBackForABuildThatUsesWhatGoes) {
  Prepare();
  ASSERT_OK(Register("o1", "aaaa", {"core.old.id"}));

  const auto held = UpgradeNow();

  EXPECT_THAT(held, IsClosed());
  EXPECT_EQ(ExitClassOf(held.status()), ExitClass::kBlocked);
  EXPECT_THAT(sink_.Messages("gate_waiting"),
              ElementsAre(AllOf(HasSubstr("bbbb"), HasSubstr("o1"), HasSubstr("core.old"))));
  EXPECT_TRUE(TableExists("core.old"));
  ASSERT_OK_AND_ASSIGN(const auto gates, NewEngine()->ListGates(context_));
  ASSERT_THAT(gates, SizeIs(1));
  ASSERT_THAT(gates[0].state.violations, SizeIs(1));
  EXPECT_EQ(gates[0].state.violations[0].instance, "o1");
  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kUp, "head"));
  ASSERT_THAT(plan.blockers, SizeIs(1));
  EXPECT_EQ(plan.blockers[0].kind, "gate");
}

TEST_F(GateTest, OpensWhileARunWaits) {
  Prepare();
  ASSERT_OK(Register("o1", "aaaa", {"core.old"}));
  absl::StatusOr<RunReport> report;
  std::thread run([&] { report = Upgrade(); });
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (sink_.Messages("gate_waiting").empty() && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_OK(NewEngine()->Deregister(context_, "o1"));
  run.join();

  ASSERT_OK(report);
  EXPECT_FALSE(TableExists("core.old"));
  EXPECT_THAT(sink_.Messages("gate_opened"), SizeIs(1));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.gates WHERE revision = 'bbbb'"), "1");
}

TEST_F(GateTest, LetsPassWhatDoesNotUseIt) {
  Prepare();
  ASSERT_OK(Register("o1", "aaaa", {"core.platforms"}));
  ASSERT_OK(Register("o2", "bbbb", {"core.old"}));

  EXPECT_OK(UpgradeNow());
  EXPECT_FALSE(TableExists("core.old"));
}

TEST_F(GateTest, IsPassedByForceWithAReason) {
  Prepare();
  ASSERT_OK(Register("o1", "aaaa"));

  ASSERT_OK(Upgrade("head", {.force_gate = "it hangs"}));

  EXPECT_FALSE(TableExists("core.old"));
  EXPECT_THAT(sink_.Messages("gate_forced"),
              ElementsAre(AllOf(HasSubstr("o1"), HasSubstr("by tester: it hangs"))));
  EXPECT_EQ(db_.QueryText("SELECT forced_reason FROM migration.gates"), "it hangs");
}

TEST_F(GateTest, IsKeptClosedByASessionWithoutALiveInstance) {
  Prepare();
  const auto stranger = Connect("lockstep-catalog");

  EXPECT_THAT(UpgradeNow(), IsClosed());
  EXPECT_THAT(sink_.Messages("gate_waiting"), ElementsAre(HasSubstr("of catalog_app")));
}

TEST_F(GateTest, KnowsTheSessionsOfInstances) {
  Prepare();
  RegisterOptions options;
  options.id = "c1";
  options.service = "catalog";
  options.build = "2.0.0";
  options.built_for = "bbbb";
  ASSERT_OK(NewEngine()->Register(context_, options));
  const auto own = Connect("lockstep-catalog " + Sha256Hex("c1").substr(0, 12));

  EXPECT_OK(UpgradeNow());
}

TEST_F(GateTest, LeasesOfAnotherClusterAreVoid) {
  Prepare();
  ASSERT_OK(Register("o1", "aaaa"));
  db_.Execute("UPDATE migration.instances SET system_identifier = 1");

  ASSERT_OK_AND_ASSIGN(const auto instances, NewEngine()->Instances(context_));
  ASSERT_THAT(instances, SizeIs(1));
  EXPECT_FALSE(instances[0].is_live);
  EXPECT_THAT(NewEngine()->Heartbeat(context_, "o1", absl::Seconds(15)),
              StatusIs(absl::StatusCode::kNotFound, Reason("INSTANCE_UNKNOWN")));
  EXPECT_OK(UpgradeNow());
}

TEST_F(GateTest, AKeptBuildCountsAsIfItRan) {
  Prepare();
  ASSERT_OK(Register("o1", "aaaa"));
  ASSERT_OK(NewEngine()->KeepBuild(context_, "orders", "1.0.0", "canary"));
  ASSERT_OK(NewEngine()->Deregister(context_, "o1"));
  EXPECT_THAT(UpgradeNow(), IsClosed());

  ASSERT_OK(NewEngine()->ReleaseBuild(context_, "orders", "1.0.0"));
  EXPECT_OK(UpgradeNow());
  EXPECT_THAT(NewEngine()->KeepBuild(context_, "orders", "9.9.9", "x"),
              StatusIs(absl::StatusCode::kNotFound, Reason("BUILD_UNKNOWN")));
}

TEST_F(GateTest, ARetiredBuildCannotRegister) {
  Prepare();
  ASSERT_OK(UpgradeNow());

  EXPECT_THAT(Register("o1", "aaaa", {"core.old"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("BUILD_RETIRED")));
  EXPECT_OK(Register("o2", "bbbb", {"core.old"}));
}

TEST_F(GateTest, ARegistrationWaitsForAContractAtTheSameMoment) {
  Prepare();
  const auto contract = [&] {
    pg::ConnectionOptions options;
    options.database_url = db_.url("lockstep_migrator");
    return *pg::Connection::Open(options);
  }();
  ASSERT_OK(contract->Script("BEGIN; SELECT migration.begin_contract('catalog', '{}')"));
  absl::StatusOr<Instance> registered;
  std::thread other([&] { registered = Register("o1", "aaaa", {"core.old"}); });
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (db_.QueryText("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                       " AND NOT granted") == "0" &&
         absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  ASSERT_OK(contract->Script(
      "INSERT INTO migration.applied_revisions (revision, service, title, checksum, applied_by,"
      " run_id) SELECT 'bbbb', service, title, checksum, applied_by, run_id"
      " FROM migration.applied_revisions WHERE revision = 'aaaa'; COMMIT"));
  other.join();

  EXPECT_THAT(registered, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("BUILD_RETIRED")));
}

TEST_F(GateTest, AnExpandThatBreaksARunningBuildIsRefused) {
  Prepare();
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "ALTER TABLE core.old RENAME COLUMN id TO key;"},
                 {"down.sql", "ALTER TABLE core.old RENAME COLUMN key TO id;"},
                 {"verify.sql", "SELECT 1 FROM core.old WHERE false;"}});
  ASSERT_OK(Register("o1", "aaaa", {"core.old.id"}));

  EXPECT_THAT(UpgradeNow(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("INCOMPATIBLE_BUILD")));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(GateTest, AnUndoMindsRequirementsOfOtherServices) {
  Prepare();
  RegisterOptions options;
  options.id = "o1";
  options.service = "orders";
  options.build = "1.0.0";
  options.manifest.uses = {{"catalog", "aaaa", "aaaa"}};
  ASSERT_OK_AND_ASSIGN(const Instance instance, NewEngine()->Register(context_, options));
  EXPECT_TRUE(instance.is_ready);
  EXPECT_THAT(instance.uses, SizeIs(1));

  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("REQUIRED_BY_INSTANCE")));
}

class SoakTest : public GateTest {
 protected:
  std::string MayRead() const {
    return db_.QueryText("SELECT has_table_privilege('catalog_app', 'core.old', 'SELECT')");
  }
};

TEST_F(SoakTest, TakesAccessAwayGoesOnInTheNextRunAndEnds) {
  Prepare("soak { seconds: 3600 }\n");

  EXPECT_THAT(UpgradeNow(), IsClosed());
  EXPECT_EQ(MayRead(), "f");
  EXPECT_THAT(sink_.Messages("soak_started"), SizeIs(1));
  db_.Execute("UPDATE migration.soaks SET started_at = started_at - interval '2 hours'");
  ASSERT_OK(UpgradeNow());

  EXPECT_THAT(sink_.Messages("soak_started"), SizeIs(1));
  EXPECT_FALSE(TableExists("core.old"));
  EXPECT_EQ(db_.QueryText("SELECT evidence -> 'soak' ->> 'restarts' FROM migration.gates"), "0");
}

TEST_F(SoakTest, StartsAgainWhenTheServerIsAnotherOne) {
  Prepare("soak { seconds: 3600 }\n");
  EXPECT_THAT(UpgradeNow(), IsClosed());
  db_.Execute(
      "UPDATE migration.soaks SET started_at = started_at - interval '2 hours',"
      " snapshot = jsonb_set(snapshot, '{postmaster_start}', '\"1\"')");

  EXPECT_THAT(UpgradeNow(), IsClosed());

  EXPECT_THAT(sink_.Messages("soak_restarted"), ElementsAre(HasSubstr("restarted")));
  EXPECT_TRUE(TableExists("core.old"));
}

TEST_F(SoakTest, GivesAccessBackWhenADowngradeBreaksItOff) {
  Prepare("soak { seconds: 3600 }\n");
  WriteRevision("cccc", "",
                {{"up.sql", "CREATE TABLE transactions.x (id int PRIMARY KEY);"},
                 {"down.sql", "DROP TABLE transactions.x;"},
                 {"verify.sql", "SELECT 1 FROM transactions.x WHERE false;"}},
                "orders");
  ASSERT_OK(Upgrade("orders@head"));
  EXPECT_THAT(UpgradeNow(), IsClosed());
  EXPECT_EQ(MayRead(), "f");

  ASSERT_OK(Downgrade("orders@base"));

  EXPECT_EQ(MayRead(), "t");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.soaks"), "0");
}

TEST_F(SoakTest, TakesAccessToAViewAway) {
  Prepare("soak { seconds: 3600 }\n");
  db_.Execute(
      "DELETE FROM core.old; SET ROLE catalog_owner;"
      " CREATE VIEW core.v AS SELECT 1 AS one; CREATE VIEW core.again AS SELECT 1 AS one;"
      " GRANT SELECT ON core.v, core.again TO catalog_app; RESET ROLE");
  folder_.Write("catalog/bbbb_x/up.sql",
                "DROP VIEW core.v;\nDROP VIEW core.again;\n"
                "CREATE VIEW core.again AS SELECT 2 AS two;\nDROP TABLE core.old;");
  const auto may_read = [&](const std::string& view) {
    return db_.QueryText("SELECT has_table_privilege('catalog_app', '" + view + "', 'SELECT')");
  };

  EXPECT_THAT(UpgradeNow(), IsClosed());

  EXPECT_EQ(may_read("core.v"), "f");
  EXPECT_EQ(may_read("core.again"), "t");
  EXPECT_EQ(MayRead(), "t") << "it is empty";
  ASSERT_OK(Downgrade("aaaa"));
  EXPECT_EQ(may_read("core.v"), "t");
}

TEST_F(SoakTest, ATableThatIsMadeAnewHasToSoak) {
  Prepare("soak { seconds: 3600 }\n");
  folder_.Write("catalog/bbbb_x/up.sql", "DROP TABLE core.old;\nCREATE TABLE core.old (n int);");
  EXPECT_THAT(UpgradeNow(), IsClosed());
  EXPECT_EQ(MayRead(), "f");
}

TEST_F(SoakTest, GoesOnWhenADowngradeIsRefused) {
  Prepare("soak { seconds: 3600 }\n");
  EXPECT_THAT(UpgradeNow(), IsClosed());
  db_.Execute("CREATE VIEW analytics.v AS SELECT id FROM core.old");
  EXPECT_THAT(Downgrade("base"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("DROP_BLOCKED")));
  EXPECT_EQ(MayRead(), "f");
}

TEST_F(SoakTest, IsMetAtOnceWhereNothingIsLost) {
  Prepare("soak { seconds: 3600 }\n");
  db_.Execute("DELETE FROM core.old");

  EXPECT_OK(UpgradeNow());
  EXPECT_THAT(sink_.Messages("soak_started"), IsEmpty());
}

}  // namespace
}  // namespace lockstep::migration
