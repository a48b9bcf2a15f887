// Reports with known figures.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

// A second in which so many requests were answered, each at `cpu_us` of the server's CPU.
inline Sample SampleOf(uint64_t requests, double cpu_us) {
  Sample sample;
  sample.seconds = 1;
  sample.requests = requests;
  sample.bytes = requests * 1000;
  sample.p50_us = 10;
  sample.p99_us = 20;
  sample.p999_us = 30;
  sample.server_cpu_s = static_cast<double>(requests) * cpu_us / 1e6;
  sample.client_cpu_s = 0.5;
  sample.rss_bytes = 8 << 20;
  sample.threads = 3;
  return sample;
}

inline Series SeriesOf(const std::string& name, Kind kind, std::vector<Sample> samples) {
  Series series;
  series.contender = name;
  series.kind = kind;
  series.command = name + " --serve";
  series.samples = std::move(samples);
  return series;
}

// floor_fdpass 100, 200, 300 requests/s in its rounds, mode_routing 90, 180, 270, redis 120, 240,
// 360; nginx is missing.
inline Cell FakeCell() {
  Cell cell;
  cell.workload = "copy";
  cell.parameters = {{"size", "1K"}, {"conns", "16"}};
  cell.baseline = "floor_fdpass";
  cell.series = {
      SeriesOf("floor_fdpass", Kind::kFloor,
               {SampleOf(100, 5), SampleOf(200, 5), SampleOf(300, 5)}),
      SeriesOf("mode_routing", Kind::kModel,
               {SampleOf(90, 10), SampleOf(180, 10), SampleOf(270, 10)}),
      SeriesOf("redis", Kind::kPeer, {SampleOf(120, 10), SampleOf(240, 10), SampleOf(360, 10)}),
      SeriesOf("nginx", Kind::kPeer, {}),
  };
  cell.series.back().missing = "not installed";
  cell.warnings = {"noisy: a test"};
  return cell;
}

inline Report FakeReport() {
  Report report;
  report.date = "2026-01-02T03:04:05Z";
  report.command = "bench copy --peers";
  report.version = "v1";
  report.machine = {
      .kernel = "Linux 6.1", .cpu = "a CPU", .os = "an OS", .cores = 2, .memory_bytes = 1};
  report.rounds = 3;
  report.seconds_per_round = 1;
  report.cells = {FakeCell()};
  return report;
}

}  // namespace objmapper::bench
