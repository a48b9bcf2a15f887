// What a run of the suite found out, the figures that follow from it, and the forms it is shown in.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
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

// ---- What can be said of a contender in figures, and how two contenders compare ----

enum class Measure : uint8_t {
  kRequestsPerSecond,
  kGbPerSecond,  // 1e9 bytes of bodies
  kP50Us,
  kP99Us,
  kP999Us,
  kServerCpuUs,     // per request
  kServerCpuPerGb,  // seconds per 1e9 bytes
  kClientCpuUs,     // per request
  kRssMib,
  kRssPerConnection,  // bytes; what RSS grew by since before clients connected
  kThreads,
  kStarved,  // connections that got no answer
};

struct MeasureName {
  const char* id;      // of the charts' data; empty: no chart shows it
  const char* head;    // of a table's column
  const char* phrase;  // what a sentence calls it
};

// In the order of tables.
std::vector<Measure> AllMeasures();
const MeasureName& NameOf(Measure measure);

// Whether a smaller value is the better one.
bool LessIsBetter(Measure measure);

// "model", "floor", "peer".
const char* NameOf(Kind kind);

// The value in one round. nullopt: the round does not tell (no bytes were sent, nothing answered).
absl::optional<double> ValueOf(Measure measure, const Cell& cell, const Sample& sample);

// Over the rounds. nullopt: no round tells.
absl::optional<Spread> SpreadOver(Measure measure, const Cell& cell, const Series& series);

// `series` divided by `base`, each round by the same round: what disturbs the machine in a round
// disturbs both. nullopt: they have no round in common that tells.
absl::optional<Spread> RatioOver(Measure measure, const Cell& cell, const Series& series,
                                 const Series& base);

// The one that the cell is about: latency where the rate is given (open loop), memory where nothing
// is asked, else throughput.
Measure HeadlineOf(const Cell& cell);

// One without samples where the cell has no such series.
const Series& FindSeries(const Cell& cell, const std::string& contender);
// SpreadOver() of that one.
absl::optional<Spread> SpreadOf(Measure measure, const Cell& cell, const std::string& contender);

// The parameter's value; empty: the cell has no such parameter.
std::string ParameterOf(const Cell& cell, const std::string& name);

// The parameter "conns"; 0: the cell has none.
double ConnectionsOf(const Cell& cell);

// "copy size=100K transport=unix conns=16".
std::string TitleOf(const Cell& cell);

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

// HTTP of ours against other people's servers, and GET against our COPY (workload "http"). A row
// for each cell: what we do, and ratios, round by round, to the peer that answers most there, to
// the one whose CPU per request is least, and to our own protocol (their quartiles in brackets).
// Then what pipelining brings, and what an idle connection takes. The last lines say in how many
// cells we answer at least as much as the best peer, at no more than the cheapest one's CPU, and
// both; in how many GET costs at most 1.15 (to 1 KiB) and 1.03 (from 100 KiB on) of COPY's CPU; and
// in how many an idle connection takes at most 2 KiB (medians). Empty when there is no such cell.
std::string HttpText(const Report& report);
// "http --cross_check": by how much we differ from each peer, as this load generator and as others
// measure it, and in how many cases the latter say the same within 10 % (medians). Empty when there
// is no such cell.
std::string CrossCheckText(const Report& report);

}  // namespace objmapper::bench
