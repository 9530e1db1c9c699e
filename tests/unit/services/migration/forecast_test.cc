#include "services/migration/engine/run/measure/forecast.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::migration {
namespace {

using ::testing::HasSubstr;

// Reads or writes all of core.t, of which the sample has 10,000 rows, in 40 ms.
StepCertificate Closing() {
  StepCertificate certificate;
  certificate.revision = "aaaa";
  certificate.ordinal = 1;
  certificate.step_name = "check";
  certificate.took = absl::Milliseconds(40);
  certificate.relations = {
      {.relation = "core.t", .mode = LockMode::kAccessExclusive, .rows_read = 10'000}};
  certificate.rows["core.t"] = 10'000;
  return certificate;
}

TEST(Forecast, GrowsWithTheRowsThatAreRead) {
  const Forecast forecast = ForecastOf(Closing(), {{"core.t", 1'000'000}});

  EXPECT_EQ(forecast.low, absl::Seconds(1));
  EXPECT_EQ(forecast.high, absl::Seconds(16));
  EXPECT_FALSE(forecast.is_online);
  EXPECT_EQ(forecast.locks, "core.t ACCESS EXCLUSIVE");
  EXPECT_EQ(forecast.basis, "took 40 ms with 10000 of 1000000 rows of core.t");
}

TEST(Forecast, StaysWhatItWasWhereNothingIsRead) {
  StepCertificate certificate = Closing();
  certificate.relations[0].rows_read = 0;

  const Forecast forecast = ForecastOf(certificate, {{"core.t", 1'000'000'000}});

  EXPECT_EQ(forecast.low, absl::Milliseconds(20));
  EXPECT_EQ(forecast.high, absl::Milliseconds(80));
}

TEST(Forecast, PromisesNoLeastFromAFewRows) {
  StepCertificate certificate = Closing();
  certificate.relations[0].rows_read = 10;
  certificate.rows["core.t"] = 10;

  const Forecast forecast = ForecastOf(certificate, {{"core.t", 1'000}});

  EXPECT_EQ(forecast.low, absl::Milliseconds(20));
  EXPECT_EQ(forecast.high, absl::Seconds(16));
}

TEST(Forecast, CannotTellWithoutARowInTheSample) {
  StepCertificate certificate = Closing();
  certificate.relations[0].rows_read = 0;
  certificate.rows["core.t"] = 0;

  const Forecast forecast = ForecastOf(certificate, {{"core.t", 500}});

  EXPECT_FALSE(forecast.low.has_value());
  EXPECT_FALSE(forecast.high.has_value());
  EXPECT_THAT(forecast.basis, HasSubstr("no row of core.t, which has about 500"));
}

TEST(Forecast, TakesWhatWorksAloneForWorkOnTheWholeTable) {
  StepCertificate certificate = Closing();
  certificate.is_alone = true;
  certificate.relations = {{.relation = "core.t", .mode = LockMode::kShareUpdateExclusive}};

  const Forecast forecast = ForecastOf(certificate, {{"core.t", 1'000'000}});

  EXPECT_TRUE(forecast.is_online);
  EXPECT_EQ(forecast.low, absl::Milliseconds(20));
  EXPECT_EQ(forecast.high, absl::Seconds(16));
}

TEST(Forecast, IsWrittenInUnitsThatAPersonReads) {
  EXPECT_EQ(DurationText(absl::Microseconds(40'400)), "40 ms");
  EXPECT_EQ(DurationText(absl::Milliseconds(3'200)), "3.2 s");
  EXPECT_EQ(DurationText(absl::Minutes(14)), "14 min");
  EXPECT_EQ(DurationText(absl::Minutes(150)), "2.5 h");
}

// One revision of a phase whose forecast is between 1 and 16 s.
class Budget : public ::testing::Test {
 protected:
  std::vector<LintForecast> Over(Phase phase, const Budgets& budgets, const Forecast& forecast) {
    Definitions definitions;
    Revision& revision = definitions.revisions.emplace_back();
    revision.id = "aaaa";
    revision.service = "catalog";
    revision.phase = phase;
    const Graph graph(definitions);
    Plan plan;
    plan.items.push_back({.position = 0, .steps = {}});
    return OverBudget(graph, plan, {forecast}, budgets);
  }
  const Forecast forecast_ = ForecastOf(Closing(), {{"core.t", 1'000'000}});
};

TEST_F(Budget, OfThePhaseCounts) {
  const Budgets budgets{.expand = absl::Milliseconds(500), .later = absl::Minutes(1)};

  const std::vector<LintForecast> over = Over(Phase::kExpand, budgets, forecast_);

  ASSERT_EQ(over.size(), 1U);
  EXPECT_TRUE(over[0].is_sure);
  EXPECT_EQ(over[0].step, 1);
  EXPECT_EQ(over[0].message,
            "step check takes between 1.0 s and 16.0 s, and meanwhile holds core.t ACCESS "
            "EXCLUSIVE; an EXPAND has 500 ms (took 40 ms with 10000 of 1000000 rows of core.t)");
  EXPECT_TRUE(Over(Phase::kMigrate, budgets, forecast_).empty());
  EXPECT_TRUE(Over(Phase::kContract, budgets, forecast_).empty());
}

TEST_F(Budget, ThatPerhapsDoesNotDoIsNotSure) {
  const auto over = Over(Phase::kExpand, {.expand = absl::Seconds(5)}, forecast_);

  ASSERT_EQ(over.size(), 1U);
  EXPECT_FALSE(over[0].is_sure);
}

TEST_F(Budget, IsNotForWhatIsOnlineOrNotKnown) {
  Forecast online = forecast_;
  online.is_online = true;
  Forecast unknown = forecast_;
  unknown.low = unknown.high = std::nullopt;

  EXPECT_TRUE(Over(Phase::kExpand, {.expand = absl::ZeroDuration()}, online).empty());
  EXPECT_TRUE(Over(Phase::kExpand, {.expand = absl::ZeroDuration()}, unknown).empty());
}

}  // namespace
}  // namespace lockstep::migration
