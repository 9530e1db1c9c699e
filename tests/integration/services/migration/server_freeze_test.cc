// Freeze windows and reviewed plans through the service.
#include "gmock/gmock.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "tests/integration/services/migration/server_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MigrationServerFreeze : public ServerTest {
 protected:
  absl::StatusOr<v1::Freeze> Open(const std::string& reason = "sales",
                                  const std::string& request_id = "") {
    v1::CreateFreezeRequest request;
    request.mutable_freeze()->set_reason(reason);
    request.mutable_ttl()->set_seconds(3600);
    request.set_request_id(request_id);
    return Call(*migration_, &Migration::CreateFreeze, request);
  }
  absl::StatusOr<v1::LiftFreezeResponse> Lift(const std::string& name) {
    v1::LiftFreezeRequest request;
    request.set_name(name);
    return Call(*migration_, &Migration::LiftFreeze, request);
  }
  absl::StatusOr<v1::PlanResponse> Plan(const std::string& target, v1::Direction direction) {
    v1::PlanRequest request;
    request.set_target(target);
    request.set_direction(direction);
    return Call(*migration_, &Migration::Plan, request);
  }
  // A session of the runner waits at the gate, inside of a step.
  bool WaitsAtGate() const {
    return db_.QueryText(
               "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lockstep-%'"
               " AND state = 'active' AND query LIKE '%public.gate%' AND datname ="
               " current_database()") == "1";
  }
};

TEST_F(MigrationServerFreeze, ARunEndsBeforeItsNextStepAndGoesOnAfterwards) {
  AddGatedRevisions(3);
  Start();
  ASSERT_OK_AND_ASSIGN(const v1::Run run, StartUpgrade());
  ASSERT_TRUE(Eventually([&] { return WaitsAtGate(); }));
  ASSERT_OK_AND_ASSIGN(const v1::Freeze freeze, Open());
  absl::SleepFor(kFreezeSeenWithin);  // what a run promises
  Pass(3);

  ASSERT_OK_AND_ASSIGN(const v1::Run held, Await(run.name()));

  EXPECT_EQ(held.state(), v1::RUN_STATE_BLOCKED) << held.DebugString();
  EXPECT_EQ(held.error_reason(), "FROZEN");
  EXPECT_THAT(held.error_message(), HasSubstr("sales"));
  EXPECT_EQ(AppliedText(), "r001:1!");
  // What is asked for meanwhile is refused before there is a run.
  EXPECT_THAT(StartUpgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("FROZEN")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs"), "1");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.step_failures"), "0");

  ASSERT_OK(Lift(freeze.name()));
  ASSERT_OK_AND_ASSIGN(const v1::Run next, StartUpgrade());
  ASSERT_OK_AND_ASSIGN(const v1::Run done, Await(next.name()));
  EXPECT_EQ(done.state(), v1::RUN_STATE_SUCCEEDED) << done.DebugString();
  EXPECT_EQ(AppliedText(), "r001:1! r002:1! r003:1!");
}

TEST_F(MigrationServerFreeze, IsForcedByRequest) {
  folder_.AddRevision("catalog", "aaaa");
  Start();
  ASSERT_OK(Open());
  v1::UpgradeRequest request;
  request.set_request_id(NewUuid());
  request.set_force_freeze_reason("hotfix");

  ASSERT_OK_AND_ASSIGN(const auto started, Call(*migration_, &Migration::Upgrade, request));

  EXPECT_EQ(Await(started.run().name())->state(), v1::RUN_STATE_SUCCEEDED);
  const Watched watched = Watch(started.run().name());
  int forced = 0;
  for (const v1::RunEvent& event : watched.events) forced += event.kind() == "freeze_forced";
  EXPECT_EQ(forced, 1);
  // The reason belongs to the request.
  EXPECT_OK(Call(*migration_, &Migration::Upgrade, request));
  request.set_force_freeze_reason("another");
  EXPECT_THAT(Call(*migration_, &Migration::Upgrade, request),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REQUEST_ID_REUSED")));
}

TEST_F(MigrationServerFreeze, WindowsArePagedLiftedAndShown) {
  folder_.AddRevision("catalog", "aaaa");
  Start();
  const std::string id = NewUuid();
  ASSERT_OK_AND_ASSIGN(const v1::Freeze first, Open("first", id));
  EXPECT_EQ(first.name(), "freezes/" + id);
  EXPECT_TRUE(first.is_open());
  ASSERT_OK_AND_ASSIGN(const v1::Freeze same, Open("first", id));
  EXPECT_EQ(same.end_time().seconds(), first.end_time().seconds());
  ASSERT_OK_AND_ASSIGN(const v1::Freeze second, Open("second"));

  v1::ListFreezesRequest list;
  list.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto newest, Call(*migration_, &Migration::ListFreezes, list));
  ASSERT_EQ(newest.freezes_size(), 1);
  EXPECT_EQ(newest.freezes(0).name(), second.name());
  list.set_page_token(newest.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto older, Call(*migration_, &Migration::ListFreezes, list));
  ASSERT_EQ(older.freezes_size(), 1);
  EXPECT_EQ(older.freezes(0).reason(), "first");
  EXPECT_EQ(older.next_page_token(), "");
  list.set_page_token("freezes/" + NewUuid());
  EXPECT_THAT(Call(*migration_, &Migration::ListFreezes, list),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PAGE_TOKEN_INVALID")));

  ASSERT_OK_AND_ASSIGN(const auto lifted, Lift(second.name()));
  EXPECT_TRUE(lifted.freeze().has_lift_time());
  EXPECT_EQ(lifted.freeze().lifted_by(), "tester");
  ASSERT_OK_AND_ASSIGN(const auto status,
                       Call(*migration_, &Migration::GetStatus, v1::GetStatusRequest()));
  ASSERT_EQ(status.open_freezes_size(), 1);
  EXPECT_EQ(status.open_freezes(0).name(), first.name());
  EXPECT_THAT(Lift("freezes/7"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("RESOURCE_NAME_MALFORMED")));
}

TEST_F(MigrationServerFreeze, WhatPlanAnsweredIsWhatUpgradeRuns) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.AddRevision("catalog", "abbb", "down_revision: \"aaaa\"\n");
  Start();
  ASSERT_OK_AND_ASSIGN(const auto plan, Plan("catalog@+1", v1::DIRECTION_UP));
  v1::UpgradeRequest request;
  request.set_request_id(NewUuid());
  *request.mutable_reviewed_plan() = plan.reviewed_plan();
  request.set_target("base");
  EXPECT_THAT(Call(*migration_, &Migration::Upgrade, request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("TARGET_DIFFERS"), HasField("target"))));
  request.clear_target();

  ASSERT_OK_AND_ASSIGN(const auto started, Call(*migration_, &Migration::Upgrade, request));

  EXPECT_EQ(started.run().target(), plan.target());
  EXPECT_EQ(Await(started.run().name())->state(), v1::RUN_STATE_SUCCEEDED);
  ASSERT_OK_AND_ASSIGN(const auto down, Plan("base", v1::DIRECTION_DOWN));
  EXPECT_EQ(down.reviewed_plan().steps(0).undo_sha256().size(), 64U);
  *request.mutable_reviewed_plan() = down.reviewed_plan();
  EXPECT_THAT(Call(*migration_, &Migration::Upgrade, request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("PLAN_INVALID"), HasField("reviewed_plan.direction"))));
}

TEST_F(MigrationServerFreeze, AChangedPlanIsRefusedBeforeThereIsARun) {
  folder_.AddRevision("catalog", "aaaa");
  Start();
  ASSERT_OK_AND_ASSIGN(const auto plan, Plan("head", v1::DIRECTION_UP));
  folder_.Write("catalog/aaaa_x/up.sql", "CREATE TABLE core.t_aaaa (id uuid, added int);\n");
  v1::UpgradeRequest request;
  *request.mutable_reviewed_plan() = plan.reviewed_plan();

  const auto refused = Call(*migration_, &Migration::Upgrade, request);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PLAN_CHANGED")));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("\n  changed: catalog aaaa step 1"));
  EXPECT_EQ(AppliedText(), "");
}

}  // namespace
}  // namespace lockstep::migration
