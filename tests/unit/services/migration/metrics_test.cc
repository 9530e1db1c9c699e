// Figures as metric families, and who blocks a CONTRACT revision.
#include <set>

#include "common/telemetry/metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/server/metrics/families.h"
#include "services/migration/server/metrics/figures.h"

namespace lockstep::migration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string TextOf(const Figures& figures) { return telemetry::RenderText(FamiliesOf(figures)); }

TEST(MigrationMetrics, NamesAndHelpFollowTheConventions) {
  std::set<std::string> names;
  for (const telemetry::Family& family : FamiliesOf({})) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    EXPECT_TRUE(family.name.starts_with("lockstep_migration_")) << family.name;
    EXPECT_TRUE(family.help.ends_with(".")) << family.name;
    EXPECT_EQ(family.type == telemetry::MetricType::kCounter, family.name.ends_with("_total"))
        << family.name;
  }
}

TEST(MigrationMetrics, ShowServicesAndRuns) {
  Figures figures;
  figures.services["orders"] = {.heads = {"aaaa"}, .pending = 2, .instances_live = 3};
  figures.finished_runs[{"upgrade", "failed"}] = 4;
  figures.contract_blockers[{"orders", "cccc"}] = 1;

  const std::string text = TextOf(figures);

  EXPECT_THAT(text, HasSubstr("_revision_info{service=\"orders\",revision=\"aaaa\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("_revisions_pending{service=\"orders\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("_instances_live{service=\"orders\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("_runs_finished_total{kind=\"upgrade\",state=\"failed\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("_contract_blockers{service=\"orders\",revision=\"cccc\"} 1\n"));
}

TEST(MigrationMetrics, ShowStepsInSeconds) {
  Figures figures;
  StepDurations steps{.service = "orders", .direction = "up"};
  steps.buckets[0] = 2;      // up to 5 ms
  steps.buckets.back() = 1;  // above six hours
  steps.total_ms = 30'000'500;
  figures.steps = {steps};

  const std::string text = TextOf(figures);

  EXPECT_THAT(text, HasSubstr("_step_duration_seconds_sum{service=\"orders\",direction=\"up\"} "
                              "30000.5\n"));
  EXPECT_THAT(text, HasSubstr("direction=\"up\",le=\"21600\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("direction=\"up\",le=\"+Inf\"} 3\n"));
}

TEST(MigrationMetrics, LeaveOutWhatIsNotKnown) {
  Figures figures;
  BackfillInfo& backfill = figures.backfills.emplace_back();
  backfill.state = "running";
  backfill.rows_done = 7;

  const std::string text = TextOf(figures);

  EXPECT_THAT(text, Not(HasSubstr("\nlockstep_migration_oldest_transaction_seconds ")));
  EXPECT_THAT(text, Not(HasSubstr("\nlockstep_migration_lease_remaining_seconds ")));
  EXPECT_THAT(text, Not(HasSubstr("\nlockstep_migration_webhook_delivered_total ")));
  EXPECT_THAT(text, Not(HasSubstr("_backfill_remaining_seconds{")));
  EXPECT_THAT(text, HasSubstr("_backfill_rows_done{"));
}

TEST(MigrationMetrics, EstimateNothingForABackfillWithoutARun) {
  Figures figures;
  BackfillInfo& backfill = figures.backfills.emplace_back();
  backfill.state = "interrupted";
  backfill.seconds_left = 60;
  EXPECT_THAT(TextOf(figures), Not(HasSubstr("_backfill_remaining_seconds{")));
  backfill.state = "running";
  EXPECT_THAT(TextOf(figures), HasSubstr("_backfill_remaining_seconds{"));
}

}  // namespace
}  // namespace lockstep::migration
