#include "common/revision_gate/revision_gate.h"

#include <atomic>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/rpc/runner.h"
#include "common/rpc/server.h"
#include "common/status/error.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "lockstep/migration/v1/registry_service.grpc.pb.h"

namespace lockstep::revision_gate {
namespace {

namespace pb = lockstep::migration::v1;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

// A registry that does as it is told.
class FakeRegistry final : public pb::RegistryService::CallbackService {
 public:
  explicit FakeRegistry(rpc::Runner& runner) : runner_(runner) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const pb::RegisterRequest* request,
                                     pb::RegisterResponse* response) override {
    return runner_.Unary(
        context, request, response,
        [this](const rpc::Call&,
               const pb::RegisterRequest& in) -> absl::StatusOr<pb::RegisterResponse> {
          absl::MutexLock lock(&mu_);
          ++registrations_;
          renewed_at_ = absl::Now();
          registered_ = in.instance();
          manifest_ = in.manifest();
          pb::RegisterResponse out;
          *out.mutable_instance() = in.instance();
          out.mutable_instance()->set_is_ready(is_applied_);
          return out;
        });
  }

  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context,
                                      const pb::HeartbeatRequest* request,
                                      pb::HeartbeatResponse* response) override {
    return runner_.Unary(
        context, request, response,
        [this](const rpc::Call&,
               const pb::HeartbeatRequest& in) -> absl::StatusOr<pb::HeartbeatResponse> {
          absl::MutexLock lock(&mu_);
          if (is_failing_) {
            ++failures_;
            // A code that channels do not retry by themselves.
            return Error(absl::StatusCode::kResourceExhausted, "QUEUE_FULL", "not now");
          }
          if (is_forgetful_) {
            is_forgetful_ = false;
            return Error(absl::StatusCode::kNotFound, "INSTANCE_UNKNOWN", "register again");
          }
          renewed_at_ = absl::Now();
          pb::HeartbeatResponse out;
          out.mutable_instance()->set_id(in.instance_id());
          out.mutable_instance()->set_is_ready(is_applied_);
          return out;
        });
  }

  grpc::ServerUnaryReactor* Deregister(grpc::CallbackServerContext* context,
                                       const pb::DeregisterRequest* request,
                                       pb::DeregisterResponse* response) override {
    return runner_.Unary(
        context, request, response,
        [this](const rpc::Call&,
               const pb::DeregisterRequest&) -> absl::StatusOr<pb::DeregisterResponse> {
          absl::MutexLock lock(&mu_);
          ++deregistrations_;
          return pb::DeregisterResponse();
        });
  }

  void SetApplied(bool is_applied) {
    absl::MutexLock lock(&mu_);
    is_applied_ = is_applied;
  }
  void Forget() {
    absl::MutexLock lock(&mu_);
    is_forgetful_ = true;
  }
  void SetFailing(bool is_failing) {
    absl::MutexLock lock(&mu_);
    is_failing_ = is_failing;
  }
  // Heartbeats that were refused so far.
  int failures() const {
    absl::MutexLock lock(&mu_);
    return failures_;
  }
  // When a lease was granted or renewed last.
  absl::Time renewed_at() const {
    absl::MutexLock lock(&mu_);
    return renewed_at_;
  }
  int registrations() const {
    absl::MutexLock lock(&mu_);
    return registrations_;
  }
  int deregistrations() const {
    absl::MutexLock lock(&mu_);
    return deregistrations_;
  }
  pb::Instance registered() const {
    absl::MutexLock lock(&mu_);
    return registered_;
  }
  pb::BuildManifest manifest() const {
    absl::MutexLock lock(&mu_);
    return manifest_;
  }

 private:
  rpc::Runner& runner_;
  mutable absl::Mutex mu_;
  bool is_applied_ ABSL_GUARDED_BY(mu_) = false;
  bool is_forgetful_ ABSL_GUARDED_BY(mu_) = false;
  bool is_failing_ ABSL_GUARDED_BY(mu_) = false;
  int failures_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time renewed_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  int registrations_ ABSL_GUARDED_BY(mu_) = 0;
  int deregistrations_ ABSL_GUARDED_BY(mu_) = 0;
  pb::Instance registered_ ABSL_GUARDED_BY(mu_);
  pb::BuildManifest manifest_ ABSL_GUARDED_BY(mu_);
};

template <typename Condition>
bool Eventually(Condition condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (absl::Now() < deadline) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return false;
}

class RevisionGateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = rpc::Server::Start({}, {&registry_}, runner_, [] { return absl::OkStatus(); });
    ASSERT_OK(server);
    server_ = *std::move(server);
  }

  GateOptions Options() {
    GateOptions options;
    options.migration_endpoint = server_->address();
    options.service = "orders";
    options.build = "1.2.3";
    options.required_revision = "84bc4d8b03ef";
    options.lease_ttl = absl::Seconds(1);
    options.heartbeat_interval = absl::Milliseconds(50);
    options.waiting_interval = absl::Milliseconds(20);
    return options;
  }

  rpc::Runner runner_{rpc::RunnerOptions{}};
  FakeRegistry registry_{runner_};
  std::unique_ptr<rpc::Server> server_;
};

TEST_F(RevisionGateTest, OpensWhenTheRequiredRevisionIsApplied) {
  RevisionGate gate(Options());
  ASSERT_TRUE(Eventually([&] { return registry_.registrations() == 1; }));
  EXPECT_EQ(registry_.registered().service(), "orders");
  EXPECT_EQ(registry_.registered().required_revision(), "84bc4d8b03ef");
  ASSERT_TRUE(Eventually([&] { return ReasonOf(gate.Check()) == "REVISION_NOT_APPLIED"; }));
  EXPECT_THAT(gate.Check(), StatusIs(absl::StatusCode::kFailedPrecondition));

  registry_.SetApplied(true);

  EXPECT_TRUE(Eventually([&] { return gate.Check().ok(); }));
}

TEST_F(RevisionGateTest, TellsWhatTheBuildNeeds) {
  GateOptions options = Options();
  options.manifest = {.uses = {{"catalog", "c1", "c2"}, {"orders", "o1", "o2"}},
                      .footprint = {"core.platforms", "core.platforms.slug"}};
  RevisionGate gate(options);
  ASSERT_TRUE(Eventually([&] { return registry_.registrations() == 1; }));

  const pb::BuildManifest manifest = registry_.manifest();
  EXPECT_EQ(manifest.service(), "orders");
  EXPECT_EQ(manifest.build(), "1.2.3");
  ASSERT_EQ(manifest.uses_size(), 2);
  EXPECT_EQ(manifest.uses(0).service(), "catalog");
  EXPECT_EQ(manifest.uses(0).required_revision(), "c1");
  EXPECT_EQ(manifest.uses(0).built_for(), "c2");
  ASSERT_EQ(manifest.footprint_size(), 2);
  EXPECT_EQ(manifest.footprint(1), "core.platforms.slug");
}

TEST_F(RevisionGateTest, RegistersAgainWhenItWasForgotten) {
  registry_.SetApplied(true);
  RevisionGate gate(Options());
  ASSERT_TRUE(Eventually([&] { return gate.Check().ok(); }));

  registry_.Forget();

  EXPECT_TRUE(Eventually([&] { return registry_.registrations() == 2; }));
  EXPECT_OK(gate.Check());
}

TEST_F(RevisionGateTest, ClosesBeforeTheLeaseEndsWhenItCannotBeRenewed) {
  registry_.SetApplied(true);
  const GateOptions options = Options();
  RevisionGate gate(options);
  ASSERT_TRUE(Eventually([&] { return gate.Check().ok(); }));

  server_.reset();

  // Seen open at a time before the gate answered: what delays this thread cannot make it later.
  absl::Time last_open = absl::InfinitePast();
  ASSERT_TRUE(Eventually([&] {
    const absl::Time asked_at = absl::Now();
    const bool is_open = gate.Check().ok();
    if (is_open) last_open = asked_at;
    return !is_open;
  }));
  EXPECT_THAT(gate.Check(), StatusIs(absl::StatusCode::kUnavailable, Reason("LEASE_NOT_RENEWED")));
  EXPECT_LT(last_open, registry_.renewed_at() + options.lease_ttl);
}

// A database that was away for longer than the lease lasts must not keep the service away for
// another heartbeat interval.
TEST_F(RevisionGateTest, TriesAgainSoonWhileHeartbeatsFail) {
  registry_.SetApplied(true);
  GateOptions options = Options();
  options.heartbeat_interval = absl::Milliseconds(500);
  RevisionGate gate(options);
  ASSERT_TRUE(Eventually([&] { return gate.Check().ok(); }));
  registry_.SetFailing(true);
  ASSERT_TRUE(Eventually([&] { return registry_.failures() >= 1; }));

  const absl::Time failed_at = absl::Now();
  ASSERT_TRUE(Eventually([&] { return registry_.failures() >= 5; }));
  EXPECT_LT(absl::Now() - failed_at, 3 * options.heartbeat_interval);

  ASSERT_TRUE(Eventually([&] { return !gate.Check().ok(); }));
  registry_.SetFailing(false);
  EXPECT_TRUE(Eventually([&] { return gate.Check().ok(); }));
}

TEST_F(RevisionGateTest, HasNoLeaseBeforeTheFirstAnswer) {
  server_.reset();
  GateOptions options;
  options.migration_endpoint = "127.0.0.1:1";
  options.service = "orders";
  const RevisionGate gate(options);

  EXPECT_THAT(gate.Check(), StatusIs(absl::StatusCode::kUnavailable, Reason("LEASE_NOT_RENEWED")));
}

TEST_F(RevisionGateTest, SaysWhenItsAnswerChanges) {
  registry_.SetApplied(true);
  std::atomic<int> changes = 0;
  GateOptions options = Options();
  options.on_change = [&changes] { ++changes; };
  RevisionGate gate(options);
  ASSERT_TRUE(Eventually([&] { return changes >= 1 && gate.Check().ok(); }));
  const int before = changes;

  registry_.SetFailing(true);

  EXPECT_TRUE(Eventually([&] { return changes > before && !gate.Check().ok(); }));
}

TEST_F(RevisionGateTest, EndsItsLeaseOnShutdown) {
  registry_.SetApplied(true);
  {
    RevisionGate gate(Options());
    ASSERT_TRUE(Eventually([&] { return gate.Check().ok(); }));
  }

  EXPECT_EQ(registry_.deregistrations(), 1);
}

}  // namespace
}  // namespace lockstep::revision_gate
