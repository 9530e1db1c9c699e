// Steps of a database administrator: how they are judged, guarded and waited for.
#include <algorithm>
#include <iterator>
#include <memory>
#include <thread>
#include <vector>

#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class PrivilegedTest : public EngineTest {
 protected:
  void WriteExtension(const std::string& up) {
    WriteRevision("aaaa", "steps { name: \"extension\" kind: STEP_KIND_PRIVILEGED }\n",
                  {{"01_extension.up.sql", up},
                   {"01_extension.down.sql", "DROP EXTENSION IF EXISTS citext;"},
                   {"verify.sql", "SELECT 1 WHERE false;"}});
  }
  // Any SQL may be judged by expectations.
  void WriteExpecting() {
    folder_.AddRevision("catalog", "aaaa");
    WriteRevision(
        "bbbb",
        "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 300 retry_for_seconds: 1 }\n"
        "steps { name: \"grant\" kind: STEP_KIND_PRIVILEGED expect_file: \"expect.sql\" }\n",
        {{"01_grant.up.sql", "COMMENT ON TABLE core.t_aaaa IS 'by an administrator';"},
         {"01_grant.down.sql", "COMMENT ON TABLE core.t_aaaa IS NULL;"},
         {"expect.sql",
          "SELECT 'comment', 'by an administrator', obj_description(to_regclass('core.t_aaaa'));"},
         {"verify.sql", "SELECT 1 WHERE false;"},
         {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.t_aaaa;"}});
  }
  EngineOptions Impatient() const {
    EngineOptions options = Options();
    options.privileged_wait = absl::Milliseconds(100);
    return options;
  }
  EngineOptions WithAdministrator() const {
    EngineOptions options = Options();
    options.admin_url = db_.url();
    return options;
  }
};

TEST_F(PrivilegedTest, ExpectationsShowThatAnySqlWasRun) {
  WriteExpecting();
  EXPECT_THAT(NewEngine(Impatient())->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PRIVILEGED_STEP_PENDING")));
  EXPECT_THAT(sink_.Messages("privileged_sql"), Contains(HasSubstr("COMMENT ON TABLE")));
  db_.Execute("COMMENT ON TABLE core.t_aaaa IS 'by an administrator'");

  ASSERT_OK_AND_ASSIGN(const RunReport report,
                       NewEngine(Impatient())->Upgrade(context_, "head", {}, sink_));

  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
  ASSERT_THAT(report.verifications, Not(IsEmpty()));
  EXPECT_EQ(report.verifications[0].check_id, "comment");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.verification_results"
                          " WHERE check_id = 'comment' AND passed"),
            "1");
}

TEST_F(PrivilegedTest, ExpectationsRollTheAdministratorBack) {
  WriteExpecting();
  folder_.Write("catalog/bbbb_x/expect.sql", "SELECT 'comment', 'x', 'y';");

  EXPECT_THAT(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("EXPECTATION_FAILED")));
  EXPECT_EQ(db_.QueryText("SELECT obj_description('core.t_aaaa'::regclass)"), "");
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(PrivilegedTest, AnExpectationWithoutARowDoesNotSayThatItIsDone) {
  WriteExpecting();
  folder_.Write("catalog/bbbb_x/expect.sql", "SELECT 'comment', 'x', 'x' WHERE false;");

  EXPECT_THAT(NewEngine(Impatient())->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PRIVILEGED_STEP_PENDING")));
  EXPECT_THAT(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("EXPECTATION_FAILED")));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(PrivilegedTest, SqlThatNobodyCanJudgeIsPrintedAllTheSame) {
  WriteRevision("aaaa", "steps { name: \"role\" kind: STEP_KIND_PRIVILEGED }\n",
                {{"01_role.up.sql", "COMMENT ON SCHEMA core IS 'x';"},
                 {"01_role.down.sql", "COMMENT ON SCHEMA core IS NULL;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});

  EXPECT_THAT(NewEngine(Impatient())->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       Reason("PRIVILEGED_STEP_NEEDS_ADMINISTRATOR")));
  EXPECT_THAT(sink_.Messages("privileged_sql"), SizeIs(1));
}

TEST_F(PrivilegedTest, AnExtensionInAnotherSchemaIsNotTheOne) {
  WriteExtension("CREATE EXTENSION citext WITH SCHEMA core;");
  db_.Execute("CREATE EXTENSION citext SCHEMA public");
  EXPECT_THAT(NewEngine(Impatient())->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PRIVILEGED_STEP_PENDING")));

  db_.Execute("ALTER EXTENSION citext SET SCHEMA core");

  EXPECT_THAT(NewEngine(Impatient())->Upgrade(context_, "head", {}, sink_), IsOk());
}

TEST_F(PrivilegedTest, GuardIsAskedBeforeTheAdministratorActs) {
  WriteExpecting();
  ASSERT_OK(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_));
  // The preflight would refuse as well: the row comes after it.
  class Late final : public EventSink {
   public:
    explicit Late(const testing::TestDatabase& db) : db_(db) {}
    void OnEvent(const RunEvent& event) override {
      if (event.kind == "step_started") {
        db_.Execute("INSERT INTO core.t_aaaa VALUES (gen_random_uuid())");
      }
    }

   private:
    const testing::TestDatabase& db_;
  } late(db_);

  EXPECT_THAT(NewEngine(WithAdministrator())->Downgrade(context_, "aaaa", {}, late),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("GUARD_REFUSED")));
  EXPECT_EQ(db_.QueryText("SELECT obj_description('core.t_aaaa'::regclass)"),
            "by an administrator");
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
}

TEST_F(PrivilegedTest, AdministratorWaitsForLocksLikeAnyStep) {
  WriteExpecting();
  ASSERT_OK(Upgrade("aaaa"));
  pg::ConnectionOptions options;
  options.database_url = db_.url();
  ASSERT_OK_AND_ASSIGN(const auto blocker, pg::Connection::Open(options));
  ASSERT_OK(blocker->Script("BEGIN; LOCK TABLE core.t_aaaa IN ACCESS EXCLUSIVE MODE;"));
  std::thread releaser([&] {
    while (sink_.Messages("step_retried").empty()) std::this_thread::yield();
    EXPECT_THAT(blocker->Script("COMMIT"), IsOk());
  });

  const auto report = NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_);
  releaser.join();

  EXPECT_THAT(report, IsOk());
}

TEST_F(PrivilegedTest, BlockedAdministratorNamesItsOwnBlocker) {
  WriteExpecting();
  ASSERT_OK(Upgrade("aaaa"));
  pg::ConnectionOptions options;
  options.database_url = db_.url();
  options.application_name = "the-blocker";
  ASSERT_OK_AND_ASSIGN(const auto blocker, pg::Connection::Open(options));
  ASSERT_OK(blocker->Script("BEGIN; LOCK TABLE core.t_aaaa IN ACCESS EXCLUSIVE MODE;"));

  const auto blocked = NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_);

  EXPECT_THAT(blocked, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("STEP_BLOCKED")));
  EXPECT_EQ(MetadataOf(blocked.status(), "blocker_pid"), std::to_string(blocker->backend_pid()));
  EXPECT_THAT(MessageOf(blocked.status()), HasSubstr("the-blocker"));
}

TEST_F(PrivilegedTest, InstanceThatRegistersWhileAnUndoIsPrintedWaits) {
  WriteExtension("CREATE EXTENSION citext SCHEMA core;");
  ASSERT_OK(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_));
  CollectingSink sink;
  std::thread administrator([&] {
    while (sink.Messages("privileged_sql").empty()) std::this_thread::yield();
    EXPECT_EQ(AppliedText(), "aaaa:1");
    const auto instance = NewEngine()->Register(context_, {.id = "i1",
                                                           .service = "catalog",
                                                           .build = "1.0.0",
                                                           .required_revision = "aaaa",
                                                           .built_for = "aaaa",
                                                           .address = "127.0.0.1:7101",
                                                           .ttl = absl::Seconds(60)});
    EXPECT_THAT(instance, IsOk());
    EXPECT_FALSE(instance.ok() && instance->is_ready);
    db_.Execute("DROP EXTENSION citext");
  });

  const auto report = NewEngine()->Downgrade(context_, "base", {}, sink);
  administrator.join();

  EXPECT_THAT(report, IsOk());
  EXPECT_EQ(AppliedText(), "");
}

TEST_F(PrivilegedTest, AdministratorWhoseConnectionBreaksAtCommitIsResolved) {
  WriteExpecting();
  ASSERT_OK(Upgrade("aaaa"));
  // The backend ends itself in the middle of its COMMIT.
  db_.Execute(
      "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN"
      " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $f$;"
      " CREATE CONSTRAINT TRIGGER die AFTER INSERT ON migration.applied_steps"
      " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.revision = 'bbbb')"
      " EXECUTE FUNCTION public.die()");
  const auto engine = NewEngine(WithAdministrator());
  const std::string id = NewUuid();

  const auto broken = engine->Upgrade(context_, "head", {.run_id = id}, sink_);

  EXPECT_THAT(broken, StatusIs(absl::StatusCode::kUnavailable, Reason("CONNECTION_LOST")));
  EXPECT_THAT(MessageOf(broken.status()), HasSubstr("was rolled back"));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  // Its log goes on without a gap.
  ASSERT_OK_AND_ASSIGN(const auto stored, engine->ReadEvents(context_, id, 0, 1000));
  const auto all = sink_.events();
  std::vector<RunEvent> seen;
  std::copy_if(all.begin(), all.end(), std::back_inserter(seen),
               [&](const RunEvent& event) { return event.run_id == id; });
  ASSERT_EQ(stored.size(), seen.size());
  EXPECT_EQ(stored.back().kind, "run_finished");
  db_.Execute("DROP TRIGGER die ON migration.applied_steps");
  EXPECT_THAT(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_), IsOk());
}

}  // namespace
}  // namespace lockstep::migration
