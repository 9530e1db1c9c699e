// What a run says about an index build while it works, and when it does not move any more.
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(EngineTest, ABuildThatIsHeldUpSaysByWhomAndGoesOn) {
  WriteRevision("aaaa", "",
                {{"up.sql", "CREATE TABLE core.t (id int PRIMARY KEY, n int);"},
                 {"down.sql", "DROP TABLE core.t;"},
                 {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"}});
  WriteRevision("bbbb",
                "down_revision: \"aaaa\"\n"
                "steps { name: \"alone\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
                {{"01_alone.up.sql", "CREATE INDEX CONCURRENTLY t_n_idx ON core.t (n);"},
                 {"01_alone.down.sql", "DROP INDEX CONCURRENTLY core.t_n_idx;"},
                 {"verify.sql", "SELECT 1 WHERE false;"}});
  ASSERT_OK(Upgrade("aaaa"));
  pg::ConnectionOptions options;
  options.database_url = db_.url();
  options.application_name = "the-blocker";
  ASSERT_OK_AND_ASSIGN(const auto blocker, pg::Connection::Open(options));
  // An old snapshot, which a build waits for at its end.
  ASSERT_OK(blocker->Script("BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE core.x (i int);"));
  EngineOptions impatient = Options();
  impatient.build_stall_after = absl::Seconds(1);
  absl::StatusOr<RunReport> report;
  std::thread runner([&] { report = NewEngine(impatient)->Upgrade(context_, "head", {}, sink_); });
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (sink_.Messages("build_stalled").empty() && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(5));
  }

  // Whoever waits here holds no snapshot of the run itself: the build waits for the blocker alone.
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"
                          " AND datname = current_database()"
                          " AND application_name <> 'the-blocker'"),
            "0");
  EXPECT_THAT(blocker->Script("ROLLBACK"), IsOk());
  runner.join();

  EXPECT_THAT(report, IsOk());
  const std::string pid = "pid " + std::to_string(blocker->backend_pid());
  EXPECT_THAT(sink_.Messages("build_progress"), Contains(HasSubstr("core.t: ")));
  EXPECT_THAT(sink_.Messages("build_progress"), Contains(HasSubstr("waits for " + pid)));
  EXPECT_THAT(sink_.Messages("build_stalled"), Contains(HasSubstr("held up by " + pid)));
  EXPECT_THAT(sink_.Messages("build_stalled"), Contains(HasSubstr("the oldest transaction is")));
  EXPECT_THAT(sink_.Messages("blocker_cancelled"), IsEmpty());
  for (const RunEvent& event : sink_.events()) {
    if (event.kind != "build_stalled") continue;
    EXPECT_EQ(event.revision, "bbbb");
    EXPECT_THAT(event.details, HasSubstr("\"oldest_transaction\""));
    EXPECT_THAT(event.details, HasSubstr("the-blocker"));
  }
  EXPECT_THAT(sink_.Messages("step_finished"), Not(IsEmpty()));
}

}  // namespace
}  // namespace lockstep::migration
