#include "common/telemetry/metrics.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::telemetry {
namespace {

using ::testing::HasSubstr;

TEST(RenderText, WritesHelpTypeAndEscapedLabels) {
  const std::string text =
      RenderText({{.name = "lockstep_things",
                   .help = "Things.",
                   .type = MetricType::kGauge,
                   .samples = {{.labels = {{"what", "a \"b\"\\\n"}}, .value = 3}}}});

  EXPECT_EQ(text,
            "# HELP lockstep_things Things.\n# TYPE lockstep_things gauge\n"
            "lockstep_things{what=\"a \\\"b\\\"\\\\\\n\"} 3\n");
}

TEST(RenderText, ShowsAFamilyWithoutSamples) {
  EXPECT_EQ(
      RenderText({{.name = "lockstep_none_total", .help = "None.", .type = MetricType::kCounter}}),
      "# HELP lockstep_none_total None.\n# TYPE lockstep_none_total counter\n");
}

TEST(RenderText, CumulatesTheBucketsOfAHistogram) {
  const std::string text = RenderText({{.name = "lockstep_d_seconds",
                                        .help = "D.",
                                        .type = MetricType::kHistogram,
                                        .samples = {{.buckets = {2, 0, 1}, .sum = 7.5}},
                                        .bounds = {1, 5}}});

  EXPECT_THAT(text, HasSubstr("lockstep_d_seconds_count 3\n"));
  EXPECT_THAT(text, HasSubstr("lockstep_d_seconds_sum 7.5\n"));
  EXPECT_THAT(text, HasSubstr("lockstep_d_seconds_bucket{le=\"1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("lockstep_d_seconds_bucket{le=\"5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("lockstep_d_seconds_bucket{le=\"+Inf\"} 3\n"));
}

}  // namespace
}  // namespace lockstep::telemetry
