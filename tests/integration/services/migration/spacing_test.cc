// Steps that close tables are spaced while a standby streams, and only then.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/time/clock.h"
#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "tests/integration/services/migration/engine_fixture.h"
#include "tests/support/private_cluster.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kReceiver[] = "/usr/lib/postgresql/15/bin/pg_receivewal";

// Streams the log of `url` as a standby does, without replaying it: the primary cannot tell.
class Receiver {
 public:
  explicit Receiver(const std::string& url) {
    std::array<char, 64> folder = {"/tmp/lockstep-standby-XXXXXX"};
    if (mkdtemp(folder.data()) != nullptr) folder_ = folder.data();
    const std::string conninfo = url + " application_name=standby-1";
    pid_ = fork();
    if (pid_ != 0) return;
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    execl(kReceiver, "pg_receivewal", "-D", folder_.c_str(), "-d", conninfo.c_str(), nullptr);
    _exit(127);
  }
  ~Receiver() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

 private:
  std::string folder_;
  pid_t pid_ = -1;
};

class SpacingTest : public EngineTest {
 protected:
  SpacingTest() {
    folder_.AddRevision("catalog", "aaaa");
    WriteRevision("bbbb",
                  "down_revision: \"aaaa\"\nsteps { name: \"one\" }\nsteps { name: \"two\" }\n"
                  "steps { name: \"rows\" }\nsteps { name: \"three\" }\n",
                  {{"01_one.up.sql", "ALTER TABLE core.t_aaaa ADD COLUMN a int;"},
                   {"01_one.down.sql", "ALTER TABLE core.t_aaaa DROP COLUMN a;"},
                   {"02_two.up.sql", "ALTER TABLE core.t_aaaa ADD COLUMN b int;"},
                   {"02_two.down.sql", "ALTER TABLE core.t_aaaa DROP COLUMN b;"},
                   {"03_rows.up.sql", "CREATE TABLE core.own (i int);"},
                   {"03_rows.down.sql", "DROP TABLE core.own;"},
                   {"04_three.up.sql", "ALTER TABLE core.own ADD COLUMN c int;"},
                   {"04_three.down.sql", "ALTER TABLE core.own DROP COLUMN c;"},
                   {"verify.sql", "SELECT 1 WHERE false;"}});
    options_ = Options();
    options_.database_url = cluster_.url();
    options_.standby_spacing = absl::Seconds(2);
    EXPECT_THAT(NewEngine(options_)->Bootstrap(context_), IsOk());
    EXPECT_THAT(NewEngine(options_)->Upgrade(context_, "aaaa", {}, sink_), IsOk());
  }
  void AwaitStreaming() const {
    pg::ConnectionOptions options;
    options.database_url = cluster_.url();
    auto connection = pg::Connection::Open(options);
    ASSERT_THAT(connection, IsOk());
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (absl::Now() < give_up) {
      const auto rows =
          (*connection)->Query("SELECT FROM pg_stat_replication WHERE state = 'streaming'");
      if (rows.ok() && !rows->empty()) return;
      absl::SleepFor(absl::Milliseconds(20));
    }
    FAIL() << "nothing streams";
  }

  testing::PrivateCluster cluster_;
  EngineOptions options_;
};

TEST_F(SpacingTest, OnlyStepsThatCloseWhatWasThereWaitForAStandby) {
  if (!std::filesystem::exists(kReceiver)) GTEST_SKIP() << "no pg_receivewal here";
  const Receiver receiver(cluster_.url());
  AwaitStreaming();
  const absl::Time began = absl::Now();

  ASSERT_THAT(NewEngine(options_)->Upgrade(context_, "head", {}, sink_), IsOk());

  EXPECT_GE(absl::Now() - began, absl::Seconds(2));
  // "two", and neither "one" nor those about the run's own table.
  EXPECT_THAT(sink_.Messages("spacing"), SizeIs(1));
  EXPECT_THAT(sink_.Messages("spacing"), Contains(HasSubstr("(two)")));
}

TEST_F(SpacingTest, WithoutAStandbyNobodyWaits) {
  ASSERT_THAT(NewEngine(options_)->Upgrade(context_, "head", {}, sink_), IsOk());

  EXPECT_THAT(sink_.Messages("spacing"), IsEmpty());
}

}  // namespace
}  // namespace lockstep::migration
