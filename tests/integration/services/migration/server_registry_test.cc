// RegistryService: who runs, what they need, and that a downgrade asks them.
#include <thread>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/server_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MigrationServerRegistry : public ServerTest {
 protected:
  MigrationServerRegistry() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
    folder_.AddRevision("orders", "cccc");
    Start();
  }

  static v1::RegisterRequest RequestFor(const std::string& id, int ttl_s = 60) {
    v1::RegisterRequest request;
    request.mutable_instance()->set_id(id);
    request.mutable_instance()->set_service("catalog");
    request.mutable_instance()->set_build("1.0.0");
    request.mutable_instance()->set_required_revision("bbbb");
    request.mutable_instance()->set_address("127.0.0.1:7101");
    request.mutable_ttl()->set_seconds(ttl_s);
    return request;
  }
  absl::StatusOr<v1::Instance> Register(const v1::RegisterRequest& request) {
    const auto response = Call(*registry_, &Registry::Register, request);
    if (!response.ok()) return response.status();
    return response->instance();
  }
  absl::StatusOr<v1::Instance> Heartbeat(const std::string& id) {
    v1::HeartbeatRequest request;
    request.set_instance_id(id);
    const auto response = Call(*registry_, &Registry::Heartbeat, request);
    if (!response.ok()) return response.status();
    return response->instance();
  }
  absl::Status Deregister(const std::string& id) {
    v1::DeregisterRequest request;
    request.set_instance_id(id);
    return Call(*registry_, &Registry::Deregister, request).status();
  }
  absl::StatusOr<bool> IsApplied(const std::string& service, const std::string& revision) {
    v1::WaitForRevisionRequest request;
    request.set_service(service);
    request.set_revision(revision);
    const auto response = Call(*registry_, &Registry::WaitForRevision, request);
    if (!response.ok()) return response.status();
    return response->is_applied();
  }
  v1::Run RunTo(const std::string& target, bool is_up) {
    const auto run = is_up ? StartUpgrade(target) : StartDowngrade(target);
    EXPECT_OK(run);
    if (!run.ok()) return {};
    const auto over = Await(run->name());
    EXPECT_OK(over);
    return over.ok() ? *over : v1::Run();
  }
};

TEST_F(MigrationServerRegistry, InstanceIsReadyOnceItsRevisionIsApplied) {
  ASSERT_OK_AND_ASSIGN(const v1::Instance early, Register(RequestFor("i1")));
  EXPECT_TRUE(early.is_live());
  EXPECT_FALSE(early.is_ready());
  EXPECT_EQ(early.required_revision(), "bbbb");
  EXPECT_FALSE(Heartbeat("i1")->is_ready());

  RunTo("aaaa", true);
  EXPECT_FALSE(Heartbeat("i1")->is_ready());
  RunTo("head", true);
  EXPECT_TRUE(Heartbeat("i1")->is_ready());
}

TEST_F(MigrationServerRegistry, RequiredRevisionBlocksADowngradeUntilItsInstanceLeaves) {
  RunTo("head", true);
  ASSERT_OK_AND_ASSIGN(const v1::Instance instance, Register(RequestFor("i1")));
  EXPECT_TRUE(instance.is_ready());

  v1::PlanRequest plan;
  plan.set_target("aaaa");
  plan.set_direction(v1::DIRECTION_DOWN);
  ASSERT_OK_AND_ASSIGN(const auto planned, Call(*migration_, &Migration::Plan, plan));
  ASSERT_EQ(planned.blockers_size(), 1);
  EXPECT_EQ(planned.blockers(0).kind(), "instance");
  EXPECT_THAT(planned.blockers(0).what(), HasSubstr("i1"));
  const v1::Run refused = RunTo("aaaa", false);
  EXPECT_EQ(refused.state(), v1::RUN_STATE_BLOCKED);
  EXPECT_EQ(refused.error_reason(), "REQUIRED_BY_INSTANCE");
  EXPECT_TRUE(TableExists("core.t_bbbb"));

  ASSERT_OK(Deregister("i1"));
  EXPECT_OK(Deregister("i1"));
  EXPECT_THAT(Heartbeat("i1"), StatusIs(absl::StatusCode::kNotFound, Reason("INSTANCE_UNKNOWN")));
  EXPECT_EQ(RunTo("aaaa", false).state(), v1::RUN_STATE_SUCCEEDED);
}

TEST_F(MigrationServerRegistry, RequiredRevisionBlocksADowngradeUntilItsLeaseExpires) {
  RunTo("head", true);
  ASSERT_OK(Register(RequestFor("i1", 1)));
  EXPECT_EQ(RunTo("aaaa", false).error_reason(), "REQUIRED_BY_INSTANCE");

  ASSERT_TRUE(Eventually([&] {
    const auto all = Call(*registry_, &Registry::ListInstances, v1::ListInstancesRequest());
    return all.ok() && !all->instances(0).is_live();
  }));

  EXPECT_EQ(RunTo("aaaa", false).state(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_THAT(Heartbeat("i1"), StatusIs(absl::StatusCode::kNotFound, Reason("INSTANCE_UNKNOWN")));
  // It may come back, and is told that its revision is gone.
  ASSERT_OK_AND_ASSIGN(const v1::Instance again, Register(RequestFor("i1")));
  EXPECT_TRUE(again.is_live());
  EXPECT_FALSE(again.is_ready());
}

TEST_F(MigrationServerRegistry, ListsInstancesByServiceAndId) {
  v1::RegisterRequest orders = RequestFor("i0");
  orders.mutable_instance()->set_service("orders");
  orders.mutable_instance()->clear_required_revision();
  ASSERT_OK(Register(orders));
  ASSERT_OK(Register(RequestFor("i2")));
  ASSERT_OK(Register(RequestFor("i1")));
  ASSERT_OK_AND_ASSIGN(const auto all,
                       Call(*registry_, &Registry::ListInstances, v1::ListInstancesRequest()));

  std::vector<std::string> texts;
  for (const v1::Instance& instance : all.instances()) {
    texts.push_back(instance.service() + " " + instance.id() +
                    (instance.is_ready() ? " ready" : " waits"));
  }
  EXPECT_THAT(texts,
              ::testing::ElementsAre("catalog i1 waits", "catalog i2 waits", "orders i0 ready"));
}

TEST_F(MigrationServerRegistry, WaitForRevisionAnswersWhenItIsApplied) {
  EXPECT_THAT(IsApplied("catalog", "bbbb"), lockstep::testing::IsOkAndHolds(false));
  absl::StatusOr<bool> answer;
  std::thread waiting([&] { answer = IsApplied("catalog", "bb"); });
  RunTo("head", true);
  waiting.join();

  EXPECT_THAT(answer, lockstep::testing::IsOkAndHolds(true));
  EXPECT_THAT(IsApplied("orders", ""), lockstep::testing::IsOkAndHolds(true));
}

TEST_F(MigrationServerRegistry, WaitForRevisionRefusesWhatItDoesNotKnow) {
  EXPECT_THAT(IsApplied("shipping", ""),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("SERVICE_UNKNOWN"), HasField("service"))));
  EXPECT_THAT(IsApplied("", ""), StatusIs(absl::StatusCode::kInvalidArgument, HasField("service")));
  EXPECT_THAT(
      IsApplied("catalog", "dddd"),
      StatusIs(absl::StatusCode::kNotFound, AllOf(Reason("TARGET_UNKNOWN"), HasField("revision"))));
  EXPECT_THAT(
      IsApplied("catalog", "cccc"),
      StatusIs(absl::StatusCode::kNotFound, AllOf(Reason("TARGET_UNKNOWN"), HasField("revision"))));
}

TEST_F(MigrationServerRegistry, RefusesBadInstances) {
  const auto refuses = [&](const std::string& field,
                           const std::function<void(v1::Instance&)>& spoil) {
    v1::RegisterRequest request = RequestFor("i1");
    spoil(*request.mutable_instance());
    EXPECT_THAT(Register(request), StatusIs(absl::StatusCode::kInvalidArgument, HasField(field)))
        << field;
  };
  refuses("instance.id", [](v1::Instance& i) { i.clear_id(); });
  refuses("instance.id", [](v1::Instance& i) { i.set_id(std::string(101, 'x')); });
  refuses("instance.id", [](v1::Instance& i) { i.set_id(std::string("a\0b", 3)); });
  refuses("instance.service", [](v1::Instance& i) { i.set_service("shipping"); });
  refuses("instance.build", [](v1::Instance& i) { i.clear_build(); });
  refuses("instance.address", [](v1::Instance& i) { i.set_address(std::string("\0", 1)); });
  for (const int ttl_s : {0, -5, 301}) {
    EXPECT_THAT(Register(RequestFor("i1", ttl_s)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasField("ttl")));
  }
  v1::RegisterRequest none;
  EXPECT_THAT(Register(none), StatusIs(absl::StatusCode::kInvalidArgument, HasField("instance")));
  EXPECT_THAT(Heartbeat(""), StatusIs(absl::StatusCode::kInvalidArgument, HasField("instance_id")));
  EXPECT_THAT(Heartbeat(std::string("a\0", 2)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("instance_id")));
  EXPECT_THAT(Deregister(""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("instance_id")));
}

}  // namespace
}  // namespace lockstep::migration
