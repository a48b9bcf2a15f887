// Figures of samples, and ratios between contenders.
#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

namespace {

// By Measure.
constexpr MeasureName kNames[] = {
    {"rps", "req/s", "requests/s"},
    {"gbps", "GB/s", "GB/s"},
    {"p50", "p50 µs", "p50 in µs"},
    {"p99", "p99 µs", "p99 in µs"},
    {"p999", "p999 µs", "p999 in µs"},
    {"cpu", "CPU µs/req", "server CPU µs per request"},
    {"cpu_gb", "CPU s/GB", "server CPU s per GB"},
    {"client", "client µs/req", "client CPU µs per request"},
    {"rss", "RSS MiB", "RSS in MiB"},
    {"rss_conn", "RSS B/conn", "RSS bytes per connection"},
    {"threads", "threads", "threads"},
    {"", "starved", "connections without an answer"},
};

// A quantile of sorted values, between the two that it falls between.
double QuantileOfSorted(const std::vector<double>& sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - static_cast<double>(below));
}

// nullopt when there is nothing to divide by.
absl::optional<double> Per(double value, double divisor) {
  return divisor > 0 ? absl::make_optional(value / divisor) : absl::nullopt;
}

absl::optional<double> IfAny(double value) {
  return value > 0 ? absl::make_optional(value) : absl::nullopt;
}

}  // namespace

Spread SpreadOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {.median = QuantileOfSorted(values, 0.5),
          .low = QuantileOfSorted(values, 0.25),
          .high = QuantileOfSorted(values, 0.75)};
}

std::vector<Measure> AllMeasures() {
  std::vector<Measure> all;
  for (size_t i = 0; i < std::size(kNames); ++i) all.push_back(static_cast<Measure>(i));
  return all;
}

const MeasureName& NameOf(Measure measure) { return kNames[static_cast<size_t>(measure)]; }

const char* NameOf(Kind kind) {
  constexpr const char* kKinds[] = {"model", "floor", "peer"};
  return kKinds[static_cast<size_t>(kind)];
}

bool LessIsBetter(Measure measure) {
  return measure != Measure::kRequestsPerSecond && measure != Measure::kGbPerSecond;
}

absl::optional<double> ValueOf(Measure measure, const Cell& cell, const Sample& sample) {
  const double requests = static_cast<double>(sample.requests);
  const double gigabytes = static_cast<double>(sample.bytes) / 1e9;
  switch (measure) {
    case Measure::kRequestsPerSecond:
      return requests > 0 ? Per(requests, sample.seconds) : absl::nullopt;
    case Measure::kGbPerSecond:
      return gigabytes > 0 ? Per(gigabytes, sample.seconds) : absl::nullopt;
    case Measure::kP50Us:
      return IfAny(sample.p50_us);
    case Measure::kP99Us:
      return IfAny(sample.p99_us);
    case Measure::kP999Us:
      return IfAny(sample.p999_us);
    case Measure::kServerCpuUs:
      return Per(sample.server_cpu_s * 1e6, requests);
    case Measure::kServerCpuPerGb:
      return Per(sample.server_cpu_s, gigabytes);
    case Measure::kClientCpuUs:
      return Per(sample.client_cpu_s * 1e6, requests);
    case Measure::kRssMib:
      return IfAny(static_cast<double>(sample.rss_bytes) / (1 << 20));
    case Measure::kRssPerConnection:
      if (sample.rss_before_bytes == 0) return absl::nullopt;
      return Per(
          static_cast<double>(sample.rss_bytes) - static_cast<double>(sample.rss_before_bytes),
          ConnectionsOf(cell));
    case Measure::kThreads:
      return IfAny(sample.threads);
    case Measure::kStarved:
      return static_cast<double>(sample.starved);
  }
  return absl::nullopt;
}

absl::optional<Spread> SpreadOver(Measure measure, const Cell& cell, const Series& series) {
  std::vector<double> values;
  for (const Sample& sample : series.samples) {
    if (const auto value = ValueOf(measure, cell, sample)) values.push_back(*value);
  }
  if (values.empty()) return absl::nullopt;
  return SpreadOf(std::move(values));
}

absl::optional<Spread> RatioOver(Measure measure, const Cell& cell, const Series& series,
                                 const Series& base) {
  std::vector<double> ratios;
  const size_t rounds = std::min(series.samples.size(), base.samples.size());
  for (size_t round = 0; round < rounds; ++round) {
    const auto value = ValueOf(measure, cell, series.samples[round]);
    const auto divisor = ValueOf(measure, cell, base.samples[round]);
    if (value && divisor && *divisor > 0) ratios.push_back(*value / *divisor);
  }
  if (ratios.empty()) return absl::nullopt;
  return SpreadOf(std::move(ratios));
}

Measure HeadlineOf(const Cell& cell) {
  if (cell.workload == "idle" || ParameterOf(cell, "ask") == "idle")
    return Measure::kRssPerConnection;
  const bool latency = cell.workload == "latency" || !ParameterOf(cell, "rate").empty() ||
                       !ParameterOf(cell, "beside").empty();
  return latency ? Measure::kP99Us : Measure::kRequestsPerSecond;
}

const Series& FindSeries(const Cell& cell, const std::string& contender) {
  static const auto* const kNone = new Series;
  for (const Series& series : cell.series) {
    if (series.contender == contender) return series;
  }
  return *kNone;
}

absl::optional<Spread> SpreadOf(Measure measure, const Cell& cell, const std::string& contender) {
  return SpreadOver(measure, cell, FindSeries(cell, contender));
}

std::string ParameterOf(const Cell& cell, const std::string& name) {
  for (const auto& [key, value] : cell.parameters) {
    if (key == name) return value;
  }
  return "";
}

double ConnectionsOf(const Cell& cell) {
  double connections = 0;
  return absl::SimpleAtod(ParameterOf(cell, "conns"), &connections) ? connections : 0;
}

std::string TitleOf(const Cell& cell) {
  std::string title = cell.workload;
  for (const auto& [key, value] : cell.parameters) absl::StrAppend(&title, " ", key, "=", value);
  return title;
}

}  // namespace objmapper::bench
