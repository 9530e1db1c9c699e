// What leases are worth after a time without a migration service.
#include "services/migration/server/lease_grace.h"

#include "tests/integration/services/migration/server_fixture.h"

namespace lockstep::migration {
namespace {

class LeaseGraceTest : public ServerTest {
 protected:
  LeaseGraceTest() {
    folder_.AddRevision("catalog", "aaaa");
    Start();
    db_.Execute("UPDATE migration.service_life SET alive_at = now() - interval '1 hour'");
  }

  // `expires` is an interval from now: "'-2 seconds'".
  void AddLease(const std::string& id, const std::string& ttl, const std::string& expires) {
    db_.Execute(
        "INSERT INTO migration.instances (instance_id, service, build, required_revision,"
        " built_for, address, ttl, expires_at) VALUES ('" +
        id + "', 'catalog', '1.0.0', 'aaaa', '', '', '" + ttl + "', now() + interval '" + expires +
        "')");
  }
  // Whole seconds that are left, rounded; a little time has passed since it was granted.
  std::string Left(const std::string& id) {
    return db_.QueryText(
        "SELECT round(extract(epoch FROM expires_at - now()) / 10) * 10 FROM migration.instances"
        " WHERE instance_id = '" +
        id + "'");
  }
};

TEST_F(LeaseGraceTest, EveryLeaseThatWasAliveLastsOnePeriodMore) {
  AddLease("was_alive", "60 seconds", "-50 minutes");
  AddLease("just_ended", "60 seconds", "-30 seconds");
  AddLease("nearly_over", "60 seconds", "1 second");
  AddLease("lasts_longer", "60 seconds", "200 seconds");
  AddLease("long_gone", "60 seconds", "-3 hours");

  const LeaseGrace grace(engines());

  EXPECT_EQ(Left("was_alive"), "60");
  EXPECT_EQ(Left("just_ended"), "60");
  EXPECT_EQ(Left("nearly_over"), "60");
  EXPECT_EQ(Left("lasts_longer"), "200");
  EXPECT_EQ(Left("long_gone"), "-10800");
}

TEST_F(LeaseGraceTest, NothingIsExtendedWhileAnotherServiceIsThere) {
  const LeaseGrace first(engines());
  AddLease("just_ended", "60 seconds", "-30 seconds");

  const LeaseGrace second(engines());

  EXPECT_EQ(Left("just_ended"), "-30");
}

TEST_F(LeaseGraceTest, ThePeriodIsTheOneThatTheLeaseWasTakenWith) {
  v1::RegisterRequest request;
  request.mutable_instance()->set_id("i1");
  request.mutable_instance()->set_service("catalog");
  request.mutable_instance()->set_build("1.0.0");
  request.mutable_ttl()->set_seconds(100);
  ASSERT_OK(Call(*registry_, &Registry::Register, request));
  EXPECT_EQ(db_.QueryText("SELECT ttl FROM migration.instances"), "00:01:40");
  v1::HeartbeatRequest heartbeat;
  heartbeat.set_instance_id("i1");
  heartbeat.mutable_ttl()->set_seconds(200);
  ASSERT_OK(Call(*registry_, &Registry::Heartbeat, heartbeat));
  db_.Execute("UPDATE migration.instances SET expires_at = now() - interval '1 second'");

  const LeaseGrace grace(engines());

  EXPECT_EQ(Left("i1"), "200");
  EXPECT_OK(Call(*registry_, &Registry::Heartbeat, heartbeat));
}

TEST_F(LeaseGraceTest, SaysAgainAndAgainThatAServiceIsThere) {
  const LeaseGrace grace(engines(), std::chrono::milliseconds(50));
  const std::string first = db_.QueryText("SELECT alive_at FROM migration.service_life");

  EXPECT_TRUE(Eventually(
      [&] { return db_.QueryText("SELECT alive_at FROM migration.service_life") != first; }));
}

// A lost session is opened again, and that is no restart.
TEST_F(LeaseGraceTest, ExtendsOnceForEachStart) {
  const LeaseGrace grace(engines(), std::chrono::milliseconds(50));
  AddLease("just_ended", "60 seconds", "-30 seconds");
  const std::string held =
      "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
      " AND database = (SELECT oid FROM pg_database"
      " WHERE datname = current_database())";
  ASSERT_TRUE(Eventually([&] { return db_.QueryText(held) == "1"; }));
  db_.Execute(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND"
      " database = (SELECT oid FROM pg_database WHERE datname = current_database())");

  EXPECT_TRUE(Eventually([&] { return db_.QueryText(held) == "1"; }));

  EXPECT_EQ(Left("just_ended"), "-30");
}

}  // namespace
}  // namespace lockstep::migration
