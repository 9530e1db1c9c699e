// What the doctor finds: an edited history, and what is wrong with the database.
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

class DoctorTest : public EngineTest {
 protected:
  void ApplyThree() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
    folder_.AddRevision("catalog", "cccc", "down_revision: \"bbbb\"\n");
    ASSERT_OK(Upgrade());
  }
  DiagnosisReport Ask(const std::string& expected_head = "") {
    auto report = NewEngine()->Diagnose(context_, expected_head);
    EXPECT_OK(report.status());
    return report.ok() ? *std::move(report) : DiagnosisReport();
  }
  Diagnosis About(const std::string& check, const std::string& expected_head = "") {
    for (Diagnosis& diagnosis : Ask(expected_head).diagnoses) {
      if (diagnosis.check == check) return diagnosis;
    }
    ADD_FAILURE() << "no check " << check;
    return {};
  }
  std::string Head() { return Ask().chain_head; }
};

TEST_F(DoctorTest, AHealthyDatabaseIsGood) {
  ApplyThree();
  const DiagnosisReport report = Ask();
  for (const Diagnosis& diagnosis : report.diagnoses) {
    // Other tests of the same server may leave scratch databases and transactions.
    if (diagnosis.check == "scratch" || diagnosis.check == "transactions") continue;
    EXPECT_EQ(diagnosis.state, DiagnosisState::kGood) << diagnosis.check << ": " << diagnosis.found;
    EXPECT_THAT(diagnosis.remedy, IsEmpty()) << diagnosis.check;
  }
  // Three steps, three revisions.
  EXPECT_THAT(report.chain_head, MatchesRegex("6:[0-9a-f]{64}"));
}

TEST_F(DoctorTest, TheHistoryGrowsAndLeadsToItsEarlierHeads) {
  ApplyThree();
  const std::string early = Head();
  ASSERT_OK(Downgrade("bbbb"));
  EXPECT_THAT(Head(), HasSubstr("7:"));
  ASSERT_OK(Upgrade());
  EXPECT_EQ(About("history", early).state, DiagnosisState::kGood);
  EXPECT_EQ(About("history", early.substr(0, 12)).state, DiagnosisState::kGood);
  EXPECT_EQ(About("history", "3:0123456789").state, DiagnosisState::kBad);
  EXPECT_EQ(About("history", "99:" + early.substr(2)).state, DiagnosisState::kBad);
  for (const char* bad : {"3", "3:abc", "x:0123456789", "0:0123456789", "3:0123456g89"}) {
    EXPECT_THAT(NewEngine()->Diagnose(context_, bad),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("CHAIN_HEAD_INVALID")))
        << bad;
  }
  // The log of the run tells its heads.
  EXPECT_EQ(db_.QueryText("SELECT details ->> 'chain_head' FROM migration.run_events"
                          " WHERE kind = 'run_finished' ORDER BY at LIMIT 1"),
            early);
}

struct Edit {
  std::string name;
  std::string sql;
  std::string found;
};

class EditedHistory : public DoctorTest, public ::testing::WithParamInterface<Edit> {};

TEST_P(EditedHistory, IsNoticed) {
  ApplyThree();
  const std::string head = Head();
  db_.Execute(GetParam().sql);
  const Diagnosis history = About("history", head);
  EXPECT_EQ(history.state, DiagnosisState::kBad);
  EXPECT_THAT(history.objects.front(), HasSubstr(GetParam().found));
}

constexpr char kDropLast[] =
    "DELETE FROM migration.chain WHERE entry = 6;"
    "DELETE FROM migration.applied_revisions WHERE revision = 'cccc';";

INSTANTIATE_TEST_SUITE_P(
    Edits, EditedHistory,
    ::testing::Values(
        Edit{"actor", "UPDATE migration.step_log SET actor = 'nobody' WHERE revision = 'bbbb'",
             "entry 2 (bbbb step 1 up) was changed"},
        Edit{"time",
             "UPDATE migration.step_log SET finished_at = finished_at - interval '1 day'"
             " WHERE revision = 'aaaa'",
             "entry 1 (aaaa step 1 up) was changed"},
        Edit{"checksum", "UPDATE migration.step_log SET checksum = 'v1:0' WHERE revision = 'cccc'",
             "entry 3 (cccc step 1 up) was changed"},
        Edit{"removed", "DELETE FROM migration.step_log WHERE revision = 'bbbb'",
             "entry 2 was removed"},
        Edit{"put_in",
             "ALTER TABLE migration.step_log DISABLE TRIGGER chain;"
             "INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction,"
             " checksum, actor, duration_ms) SELECT run_id, 'dddd', service, ordinal, name,"
             " direction, checksum, actor, duration_ms FROM migration.step_log LIMIT 1",
             "dddd step 1 up was put in past the chain"},
        // Only who kept the head notices.
        Edit{"newest_removed", kDropLast, "it does not lead to 6:"},
        Edit{
            "undo_script",
            "UPDATE migration.archived_scripts SET body = 'SELECT 1',"
            " sha256 = encode(sha256('SELECT 1'), 'hex') WHERE revision = 'bbbb' AND role = 'down'",
            "the archived scripts of bbbb step 1 are not those that were recorded"},
        Edit{"guard",
             "UPDATE migration.archived_scripts SET body = 'SELECT 1 WHERE false',"
             " sha256 = encode(sha256('SELECT 1 WHERE false'), 'hex')"
             " WHERE revision = 'bbbb' AND ordinal = 0",
             "the guard or verification of bbbb is not the one that was recorded"},
        Edit{
            "amendment_put_in",
            "ALTER TABLE migration.amendments DISABLE TRIGGER chain;"
            "INSERT INTO migration.amendments (kind, revision, ordinal, old_checksum, new_checksum,"
            " reason, actor, run_id) SELECT 'down_replaced', 'bbbb', 1, 'a', 'b', 'c', 'd', run_id"
            " FROM migration.runs LIMIT 1",
            "an amendment of bbbb step 1 was put in past the chain"},
        Edit{
            "never_applied",
            "INSERT INTO migration.applied_steps (revision, ordinal, service, name, kind, checksum,"
            " applied_by, duration_ms, run_id) SELECT 'dddd', 1, service, name, kind, checksum,"
            " applied_by, duration_ms, run_id FROM migration.applied_steps LIMIT 1",
            "dddd step 1 counts as applied, but the log says otherwise"},
        Edit{"forgotten", "DELETE FROM migration.applied_steps WHERE revision = 'bbbb'",
             "bbbb step 1 counts as not applied, but the log says otherwise"},
        Edit{"other_checksum",
             "UPDATE migration.applied_steps SET checksum = 'v1:0' WHERE revision = 'bbbb'",
             "bbbb step 1 counts as applied, but the log says otherwise"},
        Edit{"undo_removed",
             "DELETE FROM migration.archived_scripts WHERE revision = 'bbbb' AND ordinal = 1",
             "the archived scripts of bbbb step 1 are not those that were recorded"}),
    [](const auto& edit) { return edit.param.name; });

TEST_F(DoctorTest, AnAmendmentIsPartOfTheHistory) {
  ApplyThree();
  AmendOptions amend;
  amend.revision = "bbbb";
  amend.file_name = "fixed.sql";
  amend.down_sql = "DROP TABLE core.t_bbbb;\nSELECT 1;";
  amend.reason = "a test";
  ASSERT_OK(NewEngine()->Amend(context_, amend));
  EXPECT_THAT(Head(), HasSubstr("7:"));
  EXPECT_EQ(About("history").state, DiagnosisState::kGood) << About("history").found;
  // What was replaced once is not free for everybody from then on.
  db_.Execute(
      "UPDATE migration.archived_scripts SET body = 'SELECT 2', sha256 ="
      " encode(sha256('SELECT 2'), 'hex') WHERE revision = 'bbbb' AND role = 'down'");
  EXPECT_THAT(About("history").objects,
              ElementsAre("the archived scripts of bbbb step 1 are not those that were recorded"));
  db_.Execute("UPDATE migration.amendments SET reason = 'another'");
  EXPECT_EQ(About("history").objects.front(), "entry 7 (amendment of bbbb step 1) was changed");
}

TEST_F(DoctorTest, AnOlderLedgerIsChainedWhenItGrows) {
  ApplyThree();
  db_.Execute(
      "DROP TRIGGER chain ON migration.step_log; DROP TRIGGER chain ON migration.amendments;"
      "DROP TRIGGER chain ON migration.applied_revisions;"
      "DROP TABLE migration.chain; DELETE FROM migration.ledger_version WHERE version > 13;");
  ASSERT_OK(NewEngine()->Bootstrap(context_));
  EXPECT_THAT(Head(), MatchesRegex("3:[0-9a-f]{64}"));
  EXPECT_EQ(About("history").state, DiagnosisState::kGood) << About("history").found;
  db_.Execute("UPDATE migration.step_log SET actor = 'nobody' WHERE revision = 'bbbb'");
  EXPECT_EQ(About("history").state, DiagnosisState::kBad);
}

struct Plant {
  std::string check;
  std::string sql;
  DiagnosisState state;
  std::string object;
};

class PlantedIllness : public DoctorTest, public ::testing::WithParamInterface<Plant> {};

TEST_P(PlantedIllness, IsFound) {
  ApplyThree();
  db_.Execute(GetParam().sql);
  const Diagnosis diagnosis = About(GetParam().check);
  EXPECT_EQ(diagnosis.state, GetParam().state);
  EXPECT_THAT(diagnosis.objects, ::testing::Contains(HasSubstr(GetParam().object)));
  EXPECT_THAT(diagnosis.remedy, ::testing::Not(IsEmpty()));
}

INSTANTIATE_TEST_SUITE_P(
    Checks, PlantedIllness,
    ::testing::Values(
        Plant{"leftovers",
              "SET allow_system_table_mods = on; UPDATE pg_index SET indisvalid = false WHERE"
              " indexrelid = (SELECT indexrelid FROM pg_index WHERE indrelid ="
              " 'core.t_aaaa'::regclass LIMIT 1)",
              DiagnosisState::kBad, "core.t_aaaa"},
        Plant{"constraints",
              "ALTER TABLE core.t_aaaa ADD CONSTRAINT odd CHECK (id IS NOT NULL) NOT VALID",
              DiagnosisState::kDoubtful, "odd on core.t_aaaa"},
        Plant{"leases",
              "INSERT INTO migration.runs (run_id, kind, target, state, actor, host) VALUES"
              " (gen_random_uuid(), 'upgrade', 'head', 'running', 'a', 'b')",
              DiagnosisState::kBad, "is running without a lease"},
        Plant{"owners", "ALTER TABLE core.t_bbbb OWNER TO finance_owner", DiagnosisState::kBad,
              "core.t_bbbb belongs to finance_owner"},
        Plant{"grants", "GRANT SELECT ON core.t_aaaa TO PUBLIC", DiagnosisState::kDoubtful,
              "SELECT on core.t_aaaa to PUBLIC"}),
    [](const auto& plant) { return plant.param.check; });

}  // namespace
}  // namespace lockstep::migration
