// Runs of the migration server: they outlive their callers, one at a time, each request once.
#include <thread>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/server_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;

using MigrationServerRuns = ServerTest;

TEST_F(MigrationServerRuns, RunGoesOnWhenItsCallerIsGone) {
  AddGatedRevisions(2);
  Start();
  const std::string id = NewUuid();
  grpc::ClientContext caller;
  v1::UpgradeRequest request;
  request.set_request_id(id);
  // The caller leaves as soon as the run has begun, whether it had its answer or not.
  std::thread calling([&] {
    v1::UpgradeResponse response;
    (void)migration_->Upgrade(&caller, request, &response);
  });
  ASSERT_TRUE(Eventually([&] { return GetRun("runs/" + id).ok(); }));
  caller.TryCancel();
  calling.join();
  EXPECT_EQ(AppliedText(), "");

  Pass(2);

  ASSERT_OK_AND_ASSIGN(const v1::Run run, Await("runs/" + id));
  EXPECT_EQ(run.state(), v1::RUN_STATE_SUCCEEDED) << run.DebugString();
  EXPECT_EQ(run.steps_done(), 2);
  EXPECT_EQ(AppliedText(), "r001:1! r002:1!");
}

TEST_F(MigrationServerRuns, RunGoesOnWhenItsWatcherIsGone) {
  AddGatedRevisions(1);
  Start();
  ASSERT_OK_AND_ASSIGN(const v1::Run run, StartUpgrade());
  grpc::ClientContext watcher;
  v1::WatchRunRequest request;
  request.set_name(run.name());
  const auto reader = migration_->WatchRun(&watcher, request);
  v1::WatchRunResponse first;
  ASSERT_TRUE(reader->Read(&first));
  watcher.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);

  Pass(1);

  ASSERT_OK_AND_ASSIGN(const v1::Run over, Await(run.name()));
  EXPECT_EQ(over.state(), v1::RUN_STATE_SUCCEEDED);
}

TEST_F(MigrationServerRuns, SameRequestIdReturnsTheSameRun) {
  AddGatedRevisions(1);
  Start();
  const std::string id = NewUuid();
  ASSERT_OK_AND_ASSIGN(const v1::Run first, StartUpgrade("head", id));
  ASSERT_OK_AND_ASSIGN(const v1::Run while_running, StartUpgrade("head", id));
  Pass(1);
  ASSERT_OK(Await(first.name()));
  ASSERT_OK_AND_ASSIGN(const v1::Run when_over, StartUpgrade("head", id));

  EXPECT_EQ(first.name(), "runs/" + id);
  EXPECT_EQ(while_running.name(), first.name());
  EXPECT_EQ(when_over.name(), first.name());
  EXPECT_EQ(when_over.state(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs"), "1");
}

TEST_F(MigrationServerRuns, SameRequestAtTheSameTimeStartsOneRun) {
  AddGatedRevisions(1);
  Pass(1);
  Start();
  const std::string id = NewUuid();
  std::vector<absl::StatusOr<v1::Run>> answers(4);
  std::vector<std::thread> callers;
  for (auto& answer : answers) callers.emplace_back([&] { answer = StartUpgrade("head", id); });
  for (std::thread& caller : callers) caller.join();

  for (const auto& answer : answers) {
    ASSERT_OK(answer);
    EXPECT_EQ(answer->name(), "runs/" + id);
  }
  ASSERT_OK(Await("runs/" + id));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs"), "1");
}

TEST_F(MigrationServerRuns, RequestIdOfAnotherRequestIsRefused) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
  Start();
  const auto reused = StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(Reason("REQUEST_ID_REUSED"), HasField("request_id")));
  const std::string up = NewUuid();
  ASSERT_OK(StartUpgrade("head", up));
  ASSERT_OK(Await("runs/" + up));
  EXPECT_THAT(StartUpgrade("aaaa", up), reused);
  EXPECT_THAT(StartDowngrade("head", up), reused);

  const std::string down = NewUuid();
  ASSERT_OK(StartDowngrade("aaaa", down));
  ASSERT_OK(Await("runs/" + down));
  EXPECT_OK(StartDowngrade("aaaa", down));
  EXPECT_THAT(StartDowngrade("aaaa", down, /*archive=*/true), reused);

  v1::StampRequest stamp;
  stamp.set_target("head");
  stamp.set_request_id(up);
  EXPECT_THAT(Call(*migration_, &Migration::Stamp, stamp), reused);
}

TEST_F(MigrationServerRuns, StampIsDoneOncePerRequestId) {
  folder_.AddRevision("catalog", "aaaa");
  Start();
  v1::StampRequest stamp;
  stamp.set_target("head");
  stamp.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const auto first, Call(*migration_, &Migration::Stamp, stamp));
  ASSERT_OK_AND_ASSIGN(const auto again, Call(*migration_, &Migration::Stamp, stamp));

  EXPECT_EQ(first.run().name(), "runs/" + stamp.request_id());
  EXPECT_EQ(first.run().state(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(again.run().name(), first.run().name());
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs"), "1");
}

TEST_F(MigrationServerRuns, SecondRunIsRefusedWhileOneIsAtWork) {
  AddGatedRevisions(1);
  Start();
  ASSERT_OK_AND_ASSIGN(const v1::Run first, StartUpgrade());

  const auto second = StartUpgrade();
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kAborted, Reason("RUN_IN_PROGRESS")));
  EXPECT_EQ("runs/" + MetadataOf(second.status(), "run"), first.name());
  EXPECT_EQ(ExitClassOf(second.status()), ExitClass::kBlocked);

  Pass(1);
  ASSERT_OK(Await(first.name()));
  EXPECT_OK(StartUpgrade());
}

TEST_F(MigrationServerRuns, NextRunStartsAsSoonAsTheLedgerCallsTheLastOneOver) {
  folder_.AddRevision("catalog", "aaaa");
  Start();
  for (int i = 0; i < 5; ++i) {
    const auto run = i % 2 == 0 ? StartUpgrade() : StartDowngrade("base");
    ASSERT_OK(run);
    ASSERT_EQ(Await(run->name())->state(), v1::RUN_STATE_SUCCEEDED);
  }
}

TEST_F(MigrationServerRuns, CancelRunStopsTheStepAndKeepsWhatIsDone) {
  AddGatedRevisions(2);
  Pass(1);
  Start();
  ASSERT_OK_AND_ASSIGN(const v1::Run run, StartUpgrade());
  ASSERT_TRUE(Eventually([&] { return AppliedText() == "r001:1!"; }));

  v1::CancelRunRequest request;
  request.set_name(run.name());
  ASSERT_OK(Call(*migration_, &Migration::CancelRun, request));

  ASSERT_OK_AND_ASSIGN(const v1::Run over, Await(run.name()));
  EXPECT_EQ(over.state(), v1::RUN_STATE_CANCELLED);
  EXPECT_EQ(AppliedText(), "r001:1!");
  EXPECT_FALSE(TableExists("core.t_r002"));
  EXPECT_THAT(Call(*migration_, &Migration::CancelRun, request),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RUN_NOT_ACTIVE")));
  // What was cancelled goes on with the next run.
  Pass(2);
  ASSERT_OK_AND_ASSIGN(const v1::Run next, StartUpgrade());
  EXPECT_EQ(Await(next.name())->state(), v1::RUN_STATE_SUCCEEDED);
}

TEST_F(MigrationServerRuns, RunThatWaitsForAnotherProcessSaysSoAndCanBeCancelled) {
  AddGatedRevisions(1);
  Start();
  const auto other = NewEngine();
  std::thread direct([&] { EXPECT_OK(other->Upgrade(context_, "head", {}, sink_)); });
  ASSERT_TRUE(Eventually([&] {
    return !sink_.Messages("step_started").empty() ||
           db_.QueryText(
               "SELECT count(*) FROM migration.runs WHERE "
               "state = 'running'") == "1";
  }));
  ASSERT_OK_AND_ASSIGN(const v1::Run waiting, StartUpgrade());
  EXPECT_EQ(waiting.state(), v1::RUN_STATE_WAITING);
  grpc::ClientContext context;
  v1::WatchRunRequest watch;
  watch.set_name(waiting.name());
  const auto reader = migration_->WatchRun(&context, watch);
  v1::WatchRunResponse response;
  std::vector<std::string> kinds;
  while (kinds.size() < 2 && reader->Read(&response)) kinds.push_back(response.event().kind());
  EXPECT_THAT(kinds, ::testing::ElementsAre("run_started", "waiting_for_lease"));

  v1::CancelRunRequest request;
  request.set_name(waiting.name());
  ASSERT_OK(Call(*migration_, &Migration::CancelRun, request));
  while (reader->Read(&response)) kinds.push_back(response.event().kind());
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(kinds.back(), "run_finished");
  EXPECT_EQ(Await(waiting.name())->state(), v1::RUN_STATE_CANCELLED);
  Pass(1);
  direct.join();
}

TEST_F(MigrationServerRuns, RefusalBeforeTheRunIsTheCallersAnswer) {
  folder_.AddRevision("catalog", "aaaa");
  Start();
  EXPECT_THAT(StartUpgrade("v9.9"), StatusIs(absl::StatusCode::kNotFound,
                                             AllOf(Reason("TARGET_UNKNOWN"), HasField("target"))));
  EXPECT_THAT(
      StartDowngrade("v9.9"),
      StatusIs(absl::StatusCode::kNotFound, AllOf(Reason("TARGET_UNKNOWN"), HasField("target"))));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs"), "0");
}

TEST_F(MigrationServerRuns, FailedRunKeepsItsReason) {
  WriteRevision("aaaa", "",
                {{"up.sql",
                  "CREATE TABLE core.a (id integer CHECK (1 / 0 > 0) DEFAULT 1);\n"
                  "INSERT INTO core.a DEFAULT VALUES;\n"},
                 {"down.sql", "DROP TABLE core.a;\n"},
                 {"verify.sql", "SELECT id FROM core.a WHERE id IS NULL;\n"}});
  Start();
  ASSERT_OK_AND_ASSIGN(const v1::Run run, StartUpgrade());
  ASSERT_OK_AND_ASSIGN(const v1::Run over, Await(run.name()));
  EXPECT_EQ(over.state(), v1::RUN_STATE_FAILED);
  EXPECT_EQ(over.error_reason(), "STEP_FAILED");
  EXPECT_THAT(over.error_message(), ::testing::HasSubstr("22012"));
  EXPECT_EQ(over.steps_done(), 0);
}

}  // namespace
}  // namespace lockstep::migration
