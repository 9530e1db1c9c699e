// Only the link between a service and the migration service is cut: the database stays reachable.
#include "common/pg/pool.h"
#include "common/revision_gate/instance.h"
#include "common/revision_gate/revision_gate.h"
#include "gmock/gmock.h"
#include "tests/integration/services/migration/server_fixture.h"
#include "tests/support/tcp_proxy.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::lockstep::testing::TcpProxy;

constexpr char kInstance[] = "catalog@test/1/2";

class LeaseLink : public ServerTest, public ::testing::WithParamInterface<TcpProxy::Link> {
 protected:
  LeaseLink() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
    EXPECT_TRUE(Upgrade().ok());
    Start();
    proxy_ = std::make_unique<TcpProxy>(port());
  }
  ~LeaseLink() override {
    gate_.reset();
    proxy_.reset();
  }

  std::unique_ptr<pg::Pool> NewPool(const std::string& suffix) {
    pg::PoolOptions options;
    options.database_url = db_.url("lockstep_migrator");
    options.application_name = revision_gate::SessionName("test" + suffix, kInstance);
    options.access = access_;
    return std::make_unique<pg::Pool>(options);
  }
  void OpenGate() {
    gate_ = std::make_unique<revision_gate::RevisionGate>(revision_gate::GateOptions{
        .migration_endpoint = "127.0.0.1:" + std::to_string(proxy_->port()),
        .service = "catalog",
        .build = "1.0.0",
        .required_revision = "bbbb",
        .built_for = "bbbb",
        .address = "127.0.0.1:1",
        .lease_ttl = absl::Seconds(3),
        .heartbeat_interval = absl::Milliseconds(200),
        .waiting_interval = absl::Milliseconds(50),
        .instance_id = kInstance,
        .access = access_});
  }
  static absl::Status Use(pg::Pool& pool) {
    return pool.Write(Context::WithTimeout(absl::Seconds(5)),
                      [](pg::Tx& tx) { return tx.Execute("SELECT 1").status(); });
  }
  std::string Sessions() {
    return db_.QueryText("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '% " +
                         revision_gate::InstanceTag(kInstance) + "'");
  }
  // One look by one clock: that of the database.
  std::string StateOfLease() {
    return db_.QueryText(
        "SELECT CASE WHEN i.expires_at > clock_timestamp() THEN 'live' ELSE 'ended' END || ' ' ||"
        " (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '% " +
        revision_gate::InstanceTag(kInstance) +
        "') FROM migration.instances AS i WHERE instance_id = '" + kInstance + "'");
  }

  std::shared_ptr<pg::Access> access_ = std::make_shared<pg::Access>();
  std::unique_ptr<TcpProxy> proxy_;
  std::unique_ptr<revision_gate::RevisionGate> gate_;
};

INSTANTIATE_TEST_SUITE_P(Links, LeaseLink,
                         ::testing::Values(TcpProxy::Link::kBroken, TcpProxy::Link::kSilent),
                         [](const auto& tested) {
                           return tested.param == TcpProxy::Link::kBroken ? "Broken" : "Silent";
                         });

TEST_P(LeaseLink, NoSessionIsLeftWhenTheLeaseEndsAndAllComesBack) {
  const auto pool = NewPool("");
  const auto background = NewPool("-outbox");
  OpenGate();
  ASSERT_TRUE(Eventually([&] { return gate_->Check().ok() && Use(*pool).ok(); }));
  ASSERT_OK(Use(*background));
  ASSERT_EQ(StateOfLease(), "live 2");

  proxy_->Set(GetParam());

  // Works on until it may not any more; every look counts sessions and lease at the same moment.
  bool was_closed_while_live = false;
  std::string state;
  ASSERT_TRUE(Eventually([&] {
    (void)Use(*pool);
    (void)Use(*background);
    state = StateOfLease();
    was_closed_while_live = was_closed_while_live || state == "live 0";
    return state.starts_with("ended");
  }));
  EXPECT_TRUE(was_closed_while_live);
  EXPECT_EQ(state, "ended 0");
  EXPECT_THAT(gate_->Check(),
              StatusIs(absl::StatusCode::kUnavailable, Reason("LEASE_NOT_RENEWED")));
  EXPECT_THAT(Use(*pool), StatusIs(absl::StatusCode::kUnavailable, Reason("LEASE_NOT_RENEWED")));

  proxy_->Set(TcpProxy::Link::kUp);
  EXPECT_TRUE(Eventually([&] { return gate_->Check().ok() && Use(*pool).ok(); }));
  EXPECT_OK(Use(*background));
}

TEST_P(LeaseLink, IsNotReadyBeforeItsPoolsClose) {
  const auto pool = NewPool("");
  OpenGate();
  ASSERT_TRUE(Eventually([&] { return gate_->Check().ok() && Use(*pool).ok(); }));

  proxy_->Set(GetParam());

  ASSERT_TRUE(Eventually([&] { return !gate_->Check().ok(); }));
  // For a while calls that come all the same are still answered.
  EXPECT_OK(Use(*pool));
  EXPECT_TRUE(Eventually([&] { return !Use(*pool).ok(); }));
}

TEST_P(LeaseLink, ADowngradeWaitsForTheLeaseOnly) {
  const auto pool = NewPool("");
  OpenGate();
  ASSERT_TRUE(Eventually([&] { return gate_->Check().ok() && Use(*pool).ok(); }));
  proxy_->Set(GetParam());

  const auto refused = StartDowngrade("aaaa");
  ASSERT_OK(refused);
  EXPECT_EQ(Await(refused->name())->error_reason(), "REQUIRED_BY_INSTANCE");

  ASSERT_TRUE(Eventually([&] {
    (void)Use(*pool);
    const auto run = StartDowngrade("aaaa");
    return run.ok() && Await(run->name())->state() == v1::RUN_STATE_SUCCEEDED;
  }));
  EXPECT_EQ(Sessions(), "0");
  // Back with the registry, it is told that its revision is gone, and stays away from the database.
  proxy_->Set(TcpProxy::Link::kUp);
  EXPECT_TRUE(
      Eventually([&] { return lockstep::ReasonOf(gate_->Check()) == "REVISION_NOT_APPLIED"; }));
  EXPECT_FALSE(Use(*pool).ok());
  ASSERT_OK(StartUpgrade());
  EXPECT_TRUE(Eventually([&] { return gate_->Check().ok() && Use(*pool).ok(); }));
}

class GateStream : public LeaseLink {};
INSTANTIATE_TEST_SUITE_P(Link, GateStream, ::testing::Values(TcpProxy::Link::kUp));

// With heartbeats an hour apart only the stream can have told.
TEST_P(GateStream, TellsTheGateWhenItsRevisionComes) {
  ASSERT_OK(Downgrade("aaaa"));
  gate_ = std::make_unique<revision_gate::RevisionGate>(
      revision_gate::GateOptions{.migration_endpoint = address(),
                                 .service = "orders",
                                 .build = "1.0.0",
                                 .required_revision = "bbbb",
                                 .built_for = "bbbb",
                                 .address = "127.0.0.1:1",
                                 .lease_ttl = absl::Minutes(5),
                                 .heartbeat_interval = absl::Hours(1),
                                 .waiting_interval = absl::Milliseconds(50)});
  ASSERT_TRUE(
      Eventually([&] { return lockstep::ReasonOf(gate_->Check()) == "REVISION_NOT_APPLIED"; }));
  // Long enough for the stream to be open, so that no further heartbeat is due.
  absl::SleepFor(absl::Seconds(1));

  ASSERT_OK(StartUpgrade());

  EXPECT_TRUE(Eventually([&] { return gate_->Check().ok(); }));
}

}  // namespace
}  // namespace lockstep::migration
