// Runs refuse to work where they must not be.
#include "services/migration/engine/run/whereabouts.h"

#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"
#include "tests/support/private_cluster.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kPgBouncer[] = "/usr/sbin/pgbouncer";

// The value of `key` in a connection string of key=value pairs.
std::string ValueOf(const std::string& url, const std::string& key) {
  const std::size_t begin = url.find(key + "=") + key.size() + 1;
  return url.substr(begin, url.find(' ', begin) - begin);
}

// PgBouncer in transaction mode before the cluster of `database`. Like the server it refuses to run
// as root, and it has to enter the server's folder: the same user runs it.
class Pooler {
 public:
  explicit Pooler(const testing::TestDatabase& database) {
    std::array<char, 64> folder = {"/tmp/lockstep-pooler-XXXXXX"};
    if (mkdtemp(folder.data()) != nullptr) folder_ = folder.data();
    const std::string server = database.url();
    std::ofstream(folder_ + "/users") << "\"lockstep_migrator\" \"\"\n";
    std::ofstream(folder_ + "/pooler.ini")
        << "[databases]\n* = host=" << ValueOf(server, "host")
        << " port=" << ValueOf(server, "port")
        << "\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = " << folder_
        << "\nauth_type = trust\nauth_file = " << folder_
        << "/users\npool_mode = transaction\nlogfile = " << folder_ << "/log\npidfile = " << folder_
        << "/pid\n";
    std::string run;
    if (getuid() == 0) {
      run = "chown -R postgres: " + folder_ +
            " && setpriv --reuid=postgres --regid=postgres --clear-groups ";
    }
    run += std::string(kPgBouncer) + " -q -d " + folder_ + "/pooler.ini >/dev/null 2>&1";
    is_running_ = std::system(run.c_str()) == 0 && AwaitSocket();
    url_ = "host=" + folder_ + " port=6432 user=lockstep_migrator dbname=" + database.name();
  }
  ~Pooler() {
    std::ifstream file(folder_ + "/pid");
    pid_t pid = 0;
    file >> pid;
    if (pid > 0) kill(pid, SIGTERM);
    for (int i = 0; pid > 0 && i < 100 && kill(pid, 0) == 0; ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    std::filesystem::remove_all(folder_);
  }
  Pooler(const Pooler&) = delete;
  Pooler& operator=(const Pooler&) = delete;

  bool is_running() const { return is_running_; }
  const std::string& url() const { return url_; }

 private:
  // It answers a little after it has gone to the background.
  bool AwaitSocket() const {
    for (int i = 0; i < 500; ++i) {
      if (std::filesystem::exists(folder_ + "/.s.PGSQL.6432")) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }

  std::string folder_;
  std::string url_;
  bool is_running_ = false;
};

class WhereaboutsTest : public EngineTest {};

TEST_F(WhereaboutsTest, RefusesToRunBehindAPooler) {
  if (!std::filesystem::exists(kPgBouncer)) GTEST_SKIP() << "no pgbouncer here";
  folder_.AddRevision("catalog", "aaaa");
  const Pooler pooler(db_);
  ASSERT_TRUE(pooler.is_running());
  EngineOptions options = Options();
  options.database_url = pooler.url();

  const auto refused = NewEngine(options)->Upgrade(context_, "head", {}, sink_);

  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RUNNER_BEHIND_POOLER")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.runs"), "0");
  const auto status = NewEngine(options)->Status(context_);
  ASSERT_THAT(status, IsOk());
  EXPECT_THAT(status->runner_problem,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RUNNER_BEHIND_POOLER")));
}

TEST_F(WhereaboutsTest, SuperuserIsWarnedAndWorks) {
  folder_.AddRevision("catalog", "aaaa");
  EngineOptions options = Options();
  options.database_url = db_.url();

  EXPECT_THAT(NewEngine(options)->Upgrade(context_, "head", {}, sink_), IsOk());

  EXPECT_THAT(sink_.Messages("warning"), Contains(HasSubstr("superuser")));
  EXPECT_EQ(db_.QueryText("SELECT relowner::regrole FROM pg_class"
                          " WHERE oid = 'core.t_aaaa'::regclass"),
            "catalog_owner");
  const auto status = NewEngine(options)->Status(context_);
  ASSERT_THAT(status, IsOk());
  EXPECT_TRUE(status->runner_is_superuser);
}

TEST_F(WhereaboutsTest, MigratorOnThePrimaryIsWhereItShouldBe) {
  const auto status = NewEngine()->Status(context_);
  ASSERT_THAT(status, IsOk());
  EXPECT_THAT(status->runner_problem, IsOk());
  EXPECT_FALSE(status->runner_is_superuser);
  EXPECT_EQ(status->waits_for, "");
}

TEST_F(WhereaboutsTest, RefusesToRunOnAReplica) {
  testing::PrivateCluster cluster;
  EngineOptions options = Options();
  options.database_url = cluster.url();
  ASSERT_OK(NewEngine(options)->Bootstrap(context_));
  folder_.AddRevision("catalog", "aaaa");
  cluster.BecomeReplica();

  EXPECT_THAT(NewEngine(options)->Upgrade(context_, "head", {}, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RUNNER_ON_REPLICA")));
  // What needs no lease says the same.
  EXPECT_THAT(NewEngine(options)->Verify(context_, sink_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RUNNER_ON_REPLICA")));
  EXPECT_THAT(NewEngine(options)->Bootstrap(context_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RUNNER_ON_REPLICA")));
  const auto status = NewEngine(options)->Status(context_);
  ASSERT_THAT(status, IsOk());
  EXPECT_THAT(status->runner_problem,
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("RUNNER_ON_REPLICA")));
}

}  // namespace
}  // namespace lockstep::migration
