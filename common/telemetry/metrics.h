// Figures for Prometheus, as plain values, and their text format.
//
// A scrape builds its families from scratch out of what the database says, so nothing here is a
// registry that lives with the process: a counter is right whichever process counted, and after any
// restart.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lockstep::telemetry {

// {name, value} pairs; names match [a-zA-Z_][a-zA-Z0-9_]*, values are any UTF-8 text.
using Labels = std::vector<std::pair<std::string, std::string>>;

enum class MetricType { kGauge, kCounter, kHistogram };

// One series. `value` counts for gauges and counters; the rest for histograms.
struct Sample {
  Labels labels = {};
  double value = 0;
  // Observations per bucket, not cumulative: one entry for each of the family's bounds and one for
  // what is above the last.
  std::vector<std::uint64_t> buckets = {};
  double sum = 0;  // of all observations, in the family's unit
};

// Everything with one name. Names follow Prometheus: base units (seconds, bytes), counters end in
// _total.
struct Family {
  std::string name;
  std::string help;  // one sentence
  MetricType type = MetricType::kGauge;
  std::vector<Sample> samples = {};
  std::vector<double> bounds = {};  // inclusive upper bounds of a histogram's buckets, ascending
};

// What kTextContentType promises: the text exposition format 0.0.4. A family without samples shows
// its HELP and TYPE only. Pure.
[[nodiscard]] std::string RenderText(const std::vector<Family>& families);

inline constexpr char kTextContentType[] = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace lockstep::telemetry
