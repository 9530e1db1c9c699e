// Figures from a ledger in a known state.
#include "gmock/gmock.h"
#include "services/migration/server/metrics/collector.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

class MetricsTest : public EngineTest {
 protected:
  MetricsTest() { folder_.AddRevision("catalog", "aaaa"); }

  std::string Scrape() {
    const std::shared_ptr<Engine> engine = NewEngine();
    return MetricsCollector([&] { return engine; }).Scrape();
  }
};

TEST_F(MetricsTest, TellTheStateOfTheLedger) {
  const std::string before = Scrape();
  EXPECT_THAT(before, HasSubstr("lockstep_up 1\n"));
  EXPECT_THAT(before, HasSubstr("lockstep_migration_revisions_pending{service=\"catalog\"} 1\n"));

  ASSERT_THAT(Upgrade(), IsOk());
  const std::string after = Scrape();

  EXPECT_THAT(after, HasSubstr("lockstep_migration_revisions_pending{service=\"catalog\"} 0\n"));
  EXPECT_THAT(after, HasSubstr("lockstep_migration_revision_info{service=\"catalog\","
                               "revision=\"aaaa\"} 1\n"));
  EXPECT_THAT(after, HasSubstr("lockstep_migration_runs_finished_total{kind=\"upgrade\","
                               "state=\"succeeded\"} 1\n"));
  EXPECT_THAT(after, HasSubstr("lockstep_migration_step_duration_seconds_count{"
                               "service=\"catalog\",direction=\"up\"} 1\n"));
  EXPECT_THAT(after, HasSubstr("lockstep_migration_lease_held 0\n"));
  EXPECT_THAT(after, HasSubstr("lockstep_migration_lock_wait_seconds 0\n"));
}

TEST_F(MetricsTest, PutDurationsIntoInclusiveBuckets) {
  db_.Execute(
      "INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction,"
      " checksum, actor, duration_ms) SELECT gen_random_uuid(), 'x', 'catalog', 1, 's', 'down',"
      " 'v1:', 't', d FROM unnest('{0,5,6,21600000,21600001}'::bigint[]) AS d");

  const std::string text = Scrape();

  const std::string bucket =
      "lockstep_migration_step_duration_seconds_bucket{service=\"catalog\",direction=\"down\",le=";
  EXPECT_THAT(text, HasSubstr(bucket + "\"21600\"} 4\n"));
  EXPECT_THAT(text, HasSubstr(bucket + "\"+Inf\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("_step_duration_seconds_sum{service=\"catalog\",direction=\"down\"} "
                              "43200.012"));
}

TEST_F(MetricsTest, CountWaitsThatAreOverAndWhoHeldTheLocks) {
  db_.Execute(
      "INSERT INTO migration.run_events (run_id, event_offset, at, kind, message, details)"
      " SELECT '11111111-1111-4111-8111-111111111111', o, timestamptz '2025-01-01' + s * interval"
      " '1 second', k, '', '{\"holders\": [{\"kind\": \"dump\"}]}'"
      "   FROM (VALUES (1, 0, 'step_blocked'), (2, 5, 'step_blocked'), (3, 7, 'step_unblocked'),"
      "                (4, 9, 'step_blocked')) AS e (o, s, k)");

  const std::string text = Scrape();

  EXPECT_THAT(text, HasSubstr("lockstep_migration_lock_waits_total{holder=\"dump\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("lockstep_migration_lock_wait_seconds_total{holder=\"dump\"} 7\n"));
}

TEST_F(MetricsTest, ShowTheWaitOfTheRunAtWork) {
  const std::string run = "'22222222-2222-4222-8222-222222222222'";
  db_.Execute("INSERT INTO migration.runs (run_id, kind, target, state, actor, host) VALUES (" +
              run +
              ", 'upgrade', 'head', 'running', 't', 'h');"
              "UPDATE migration.lease SET run_id = " +
              run +
              ", acquired_at = clock_timestamp(), expires_at = clock_timestamp() + interval '1"
              " minute';"
              "INSERT INTO migration.run_events (run_id, event_offset, at, kind, message, details)"
              " VALUES (" +
              run +
              ", 1, clock_timestamp() - interval '1 hour', 'step_blocked', '', '{\"holders\":"
              " [{\"kind\": \"dump\"}, {\"kind\": \"ordinary\"}]}')");

  const std::string text = Scrape();

  EXPECT_THAT(text, HasSubstr("lockstep_migration_lock_wait_seconds 36"));
  EXPECT_THAT(text, HasSubstr("lockstep_migration_lock_blockers{holder=\"dump\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("lockstep_migration_lock_blockers{holder=\"vacuum\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("lockstep_migration_lease_held 1\n"));
  EXPECT_THAT(text, HasSubstr("_runs_active{kind=\"upgrade\",state=\"running\"} 1\n"));

  db_.Execute("UPDATE migration.lease SET expires_at = clock_timestamp()");
  EXPECT_THAT(Scrape(), HasSubstr("_runs_active{kind=\"upgrade\",state=\"abandoned\"} 1\n"));
}

TEST_F(MetricsTest, SayOnlyThatThereIsNoAnswer) {
  db_.Execute("DELETE FROM migration.ledger_version");
  EXPECT_THAT(Scrape(), ::testing::EndsWith("# TYPE lockstep_up gauge\nlockstep_up 0\n"));
  EXPECT_THAT(Scrape(), Not(HasSubstr("lockstep_migration")));

  EngineOptions nowhere = Options();
  nowhere.database_url = "host=127.0.0.1 port=1 dbname=x";
  const std::shared_ptr<Engine> engine = NewEngine(nowhere);
  EXPECT_THAT(MetricsCollector([&] { return engine; }).Scrape(), HasSubstr("lockstep_up 0\n"));
}

TEST_F(MetricsTest, ServeScrapesThatComeTogetherFromOneReading) {
  const std::shared_ptr<Engine> engine = NewEngine();
  int readings = 0;
  MetricsCollector collector(
      [&] {
        ++readings;
        return engine;
      },
      {.keep_for = absl::Minutes(1)});

  EXPECT_EQ(collector.Scrape(), collector.Scrape());
  EXPECT_EQ(readings, 1);
}

}  // namespace
}  // namespace lockstep::migration
