// What a step costs on a scratch database, and runs that keep to it.
#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "services/migration/engine/run/measure/certificate.h"
#include "services/migration/engine/run/scratch/rehearse.h"
#include "tests/integration/services/migration/proof_fixture.h"

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
using ::testing::SizeIs;

constexpr char kTables[] =
    "CREATE TABLE core.parent (id bigint PRIMARY KEY);"
    "CREATE TABLE core.t (id bigint PRIMARY KEY, code varchar(20), parent_id bigint);"
    "CREATE TABLE core.p (id bigint, day int) PARTITION BY RANGE (day);"
    "CREATE TABLE core.p_1 PARTITION OF core.p FOR VALUES FROM (0) TO (10);";
constexpr char kRows[] =
    "INSERT INTO core.parent SELECT g FROM generate_series(1, 5) AS g;"
    "INSERT INTO core.t SELECT g, 'c' || g, 1 FROM generate_series(1, 2000) AS g; ANALYZE";
// Somebody did this without a revision.
constexpr char kDrift[] =
    "ALTER TABLE core.t ADD CONSTRAINT by_hand FOREIGN KEY (parent_id) REFERENCES core.parent";

class CertificateTest : public ProofTest {
 protected:
  void SetUp() override { ApplyFirst(kTables, kRows); }

  // bbbb with this step, measured.
  StepCertificate Certify(const std::string& up, const std::string& down,
                          const std::string& more = "") {
    WriteNext(up, down, more);
    const auto report = Rehearse(Trip::kUp);
    EXPECT_THAT(report, IsOk());
    if (!report.ok() || report->revisions.size() != 1) return {};
    EXPECT_EQ(report->revisions[0].failure, "");
    EXPECT_THAT(report->revisions[0].certificates, SizeIs(1));
    if (report->revisions[0].certificates.empty()) return {};
    return report->revisions[0].certificates[0];
  }
  static RelationCost CostIn(const StepCertificate& certificate, const std::string& relation) {
    for (const RelationCost& each : certificate.relations) {
      if (each.relation == relation) return each;
    }
    return {};
  }
};

TEST_F(CertificateTest, SaysWhatAStepLocksReadsAndWritesAnew) {
  const StepCertificate certificate =
      Certify("ALTER TABLE core.t ADD CONSTRAINT big CHECK (id > 0);",
              "ALTER TABLE core.t DROP CONSTRAINT big;");

  const RelationCost table = CostIn(certificate, "core.t");
  EXPECT_EQ(table.mode, LockMode::kAccessExclusive);
  EXPECT_EQ(table.rows_read, 2000);
  EXPECT_FALSE(table.is_rewritten);
  EXPECT_EQ(certificate.rows.at("core.t"), 2000);
  EXPECT_GT(certificate.took, absl::ZeroDuration());
  EXPECT_EQ(
      db_.QueryText("SELECT step_name || ' ' || checksum || ' ' || (relations -> 0 ->> 'mode')"
                    "  FROM migration.lock_certificates"),
      certificate.step_name + " " + certificate.checksum + " ACCESS EXCLUSIVE");
}

TEST_F(CertificateTest, SaysWhatIsWrittenAnew) {
  const StepCertificate certificate =
      Certify("ALTER TABLE core.t ALTER COLUMN code TYPE varchar(10);",
              "ALTER TABLE core.t ALTER COLUMN code TYPE varchar(20);");

  EXPECT_THAT(RewrittenTables(certificate.relations), ElementsAre("core.t"));
  EXPECT_TRUE(CostIn(certificate, "core.t_pkey").is_rewritten);
}

TEST_F(CertificateTest, MeasuringIsNoRehearsal) {
  WriteNext("ALTER TABLE core.t ADD COLUMN note text;", "SELECT 1;");

  ASSERT_OK_AND_ASSIGN(const RehearsalReport report, Rehearse(Trip::kUp));

  EXPECT_EQ(ToText(report.revisions.at(0).verdict), "measured");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.rehearsals"), "0");
  EXPECT_EQ(Scratches(), "0");
}

TEST_F(CertificateTest, RehearsalsCertifyAsWell) {
  WriteNext("ALTER TABLE core.t ADD COLUMN note text;", "ALTER TABLE core.t DROP COLUMN note;");

  ASSERT_OK_AND_ASSIGN(const RehearsalReport report, Rehearse());

  EXPECT_EQ(ToText(report.revisions.at(0).verdict), "reversible");
  EXPECT_THAT(report.revisions[0].certificates, SizeIs(1));
  // Of the way up, and not of the second one.
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.lock_certificates"), "1");
}

TEST_F(CertificateTest, StepsOutsideOfTransactionsAreWatched) {
  // However quickly they are done.
  db_.Execute("TRUNCATE core.t");
  WriteRevision(
      "bbbb",
      "down_revision: \"aaaa\"\nsteps { name: \"index\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
      {{"01_index.up.sql", "CREATE INDEX CONCURRENTLY t_code ON core.t (code);"},
       {"01_index.down.sql", "DROP INDEX CONCURRENTLY core.t_code;"},
       kHolds});

  ASSERT_OK_AND_ASSIGN(const RehearsalReport report, Rehearse(Trip::kUp));

  ASSERT_THAT(report.revisions.at(0).certificates, SizeIs(1));
  const StepCertificate& certificate = report.revisions[0].certificates[0];
  EXPECT_TRUE(certificate.is_alone);
  EXPECT_EQ(CostIn(certificate, "core.t").mode, LockMode::kShareUpdateExclusive);
}

TEST_F(CertificateTest, RunKeepsToIt) {
  Certify("ALTER TABLE core.t DROP COLUMN parent_id;", "SELECT 1;");

  EXPECT_THAT(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_), IsOk());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
}

TEST_F(CertificateTest, StepThatLocksMoreIsRolledBack) {
  Certify("ALTER TABLE core.t DROP COLUMN parent_id;", "SELECT 1;");
  db_.Execute(kDrift);

  const auto refused = NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                Reason("LOCKS_WORSE_THAN_CERTIFIED")));
  EXPECT_THAT(MessageOf(refused.status()),
              AllOf(HasSubstr("core.parent: ACCESS EXCLUSIVE, certified was no lock"),
                    HasSubstr("lockstep drift")));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM information_schema.columns"
                          " WHERE table_name = 't' AND column_name = 'parent_id'"),
            "1");
}

TEST_F(CertificateTest, ReasonLetsItGoOnAndIsTold) {
  Certify("ALTER TABLE core.t DROP COLUMN parent_id;", "SELECT 1;");
  db_.Execute(kDrift);
  RunOptions run;
  run.force_locks = "nobody writes now";

  EXPECT_THAT(NewEngine(WithAdministrator())->Upgrade(context_, "head", run, sink_), IsOk());

  EXPECT_THAT(sink_.Messages("warning"), Contains(HasSubstr("nobody writes now")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
}

TEST_F(CertificateTest, OfAnotherTextDoesNotCount) {
  Certify("ALTER TABLE core.t ADD COLUMN note text;", "SELECT 1;");
  WriteNext("ALTER TABLE core.t DROP COLUMN parent_id;", "SELECT 1;");
  db_.Execute(kDrift);

  EXPECT_THAT(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_), IsOk());
}

TEST_F(CertificateTest, PartitionsThatCameSinceAreHeldLikeTheirTable) {
  Certify("ALTER TABLE core.p ADD COLUMN note text;", "ALTER TABLE core.p DROP COLUMN note;");
  db_.Execute(
      "CREATE TABLE core.p_2 PARTITION OF core.p FOR VALUES FROM (10) TO (20);"
      "ALTER TABLE core.p_2 OWNER TO catalog_owner");

  EXPECT_THAT(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_), IsOk());
}

TEST_F(CertificateTest, PlanForecastsWhatWasMeasured) {
  Certify("ALTER TABLE core.t ADD CONSTRAINT big CHECK (id > 0);",
          "ALTER TABLE core.t DROP CONSTRAINT big;");
  db_.Execute("INSERT INTO core.t SELECT g, 'c', 1 FROM generate_series(2001, 8000) AS g; ANALYZE");

  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kUp, "head"));

  ASSERT_THAT(plan.forecasts, SizeIs(1));
  EXPECT_FALSE(plan.forecasts[0].is_online);
  EXPECT_THAT(plan.forecasts[0].basis, HasSubstr("2000 of 8000 rows of core.t"));
  EXPECT_GT(plan.forecasts[0].low, absl::ZeroDuration());
  EXPECT_THAT(plan.blockers, IsEmpty());
}

TEST_F(CertificateTest, NothingOverItsBudgetBegins) {
  Certify("ALTER TABLE core.t ADD CONSTRAINT big CHECK (id > 0);",
          "ALTER TABLE core.t DROP CONSTRAINT big;");
  EngineOptions options = WithAdministrator();
  options.budgets.expand = absl::ZeroDuration();

  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine(options)->PlanFor(context_, Direction::kUp, "head"));
  const auto refused = NewEngine(options)->Upgrade(context_, "head", {}, sink_);

  ASSERT_THAT(plan.blockers, SizeIs(1));
  EXPECT_THAT(plan.blockers[0].what, HasSubstr("an EXPAND has 0 ms"));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("LINT_REFUSED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("(M10)"));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(CertificateTest, BudgetCanBeSuppressedWithAReason) {
  Certify("ALTER TABLE core.t ADD CONSTRAINT big CHECK (id > 0);",
          "ALTER TABLE core.t DROP CONSTRAINT big;",
          "suppressions { rule: \"M10\" reason: \"nobody writes at night\" }\n");
  EngineOptions options = WithAdministrator();
  options.budgets.expand = absl::ZeroDuration();

  EXPECT_THAT(NewEngine(options)->Upgrade(context_, "head", {}, sink_), IsOk());
}

}  // namespace
}  // namespace lockstep::migration
