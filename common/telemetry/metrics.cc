#include "common/telemetry/metrics.h"

#include <cstddef>
#include <limits>

#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace lockstep::telemetry {
namespace {

prometheus::MetricType TypeOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return prometheus::MetricType::Counter;
    case MetricType::kHistogram:
      return prometheus::MetricType::Histogram;
    case MetricType::kGauge:
      break;
  }
  return prometheus::MetricType::Gauge;
}

prometheus::ClientMetric::Histogram HistogramOf(const Family& family, const Sample& sample) {
  prometheus::ClientMetric::Histogram histogram;
  for (std::size_t i = 0; i <= family.bounds.size(); ++i) {
    if (i < sample.buckets.size()) histogram.sample_count += sample.buckets[i];
    const bool is_last = i == family.bounds.size();
    histogram.bucket.push_back(
        {.cumulative_count = histogram.sample_count,
         .upper_bound = is_last ? std::numeric_limits<double>::infinity() : family.bounds[i]});
  }
  histogram.sample_sum = sample.sum;
  return histogram;
}

prometheus::ClientMetric MetricOf(const Family& family, const Sample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  switch (family.type) {
    case MetricType::kGauge:
      metric.gauge.value = sample.value;
      break;
    case MetricType::kCounter:
      metric.counter.value = sample.value;
      break;
    case MetricType::kHistogram:
      metric.histogram = HistogramOf(family, sample);
      break;
  }
  return metric;
}

}  // namespace

std::string RenderText(const std::vector<Family>& families) {
  std::vector<prometheus::MetricFamily> all;
  all.reserve(families.size());
  for (const Family& family : families) {
    prometheus::MetricFamily& one = all.emplace_back();
    one.name = family.name;
    one.help = family.help;
    one.type = TypeOf(family.type);
    for (const Sample& sample : family.samples) one.metric.push_back(MetricOf(family, sample));
  }
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace lockstep::telemetry
