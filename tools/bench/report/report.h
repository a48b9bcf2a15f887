// What a run of the suite found out, and the forms it is shown in.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/bench/contenders/contender.h"

namespace objmapper::bench {

// One contender in one round of one cell.
struct Sample {
  double seconds = 0;
  uint64_t requests = 0;
  uint64_t bytes = 0;
  uint64_t errors = 0;
  std::string first_error;                     // for the warning; not kept in JSON
  double p50_us = 0, p99_us = 0, p999_us = 0;  // of the side that the cell is about
  double server_cpu_s = 0;
  double client_cpu_s = 0;
  uint64_t rss_bytes = 0;
  uint64_t rss_before_bytes = 0;  // before any client had connected; 0: not looked at
  int threads = 0;
  uint64_t behind = 0;   // open loop
  uint64_t starved = 0;  // connections that got no answer
};

struct Series {
  std::string contender;
  Kind kind = Kind::kModel;
  std::string command;
  std::string missing;          // why it has no samples, when it has none
  std::vector<Sample> samples;  // by round; the same number for all that have any
};

// One point of a workload: all contenders, the same question.
struct Cell {
  std::string workload;                                         // "copy"
  std::vector<std::pair<std::string, std::string>> parameters;  // ("size", "100K"), ("conns", "16")
  std::string baseline;                                         // a contender's name, or empty
  std::vector<Series> series;
  std::vector<std::string> warnings;  // "the client was the limit: ...", "noisy: ..."
};

struct Machine {
  std::string kernel, cpu, os;
  int cores = 0;
  uint64_t memory_bytes = 0;
  double slowest_core = 1;  // its speed, of the fastest core's, when the run began
};

struct Report {
  std::string date;     // UTC, ISO 8601
  std::string command;  // as typed
  std::string version;  // git describe, or empty
  Machine machine;
  int rounds = 0;
  double seconds_per_round = 0;
  std::vector<Cell> cells;
};

// Median and quartiles.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread SpreadOf(std::vector<double> values);

// ---- Forms ----

std::string CellTable(const Cell& cell);                   // for the terminal; with ratios
std::string ToJson(const Report& report);                  // everything, every sample
absl::StatusOr<Report> FromJson(const std::string& json);  // INVALID_ARGUMENT: says what and where
// One self-contained page. `chart_js`: the library's text, inlined.
std::string ToHtml(const Report& report, const std::string& chart_js);
// docs/benchmarks/tables.md from a report of `bench report`. Every figure, and every word that
// judges one, is taken from the report; what the report does not hold is said to be missing.
std::string DocsOf(const Report& report);

// Workload "sets": a line for each curve (cliffs.h); empty when there is none.
std::string CliffsText(const Report& report);
// Whether the server keeps up with bare loops where connections are few (workload
// "few_connections"). A row for each cell: thousands of requests a second and server CPU of
// everybody, and each model's throughput and CPU per request as ratios, round by round, to the
// floor that answers more requests there: the median, and the lower quartile of throughput. The
// last lines say in how many cells a model has at least 0.95 of that floor's throughput, at most
// 1.10 of its CPU, and both (medians). Empty when there is no such cell.
std::string FewConnectionsText(const Report& report);

}  // namespace objmapper::bench
