// What can be said of a contender in figures, and how two contenders compare.
#pragma once

#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

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

// nullptr: the cell has no such series.
const Series* FindSeries(const Cell& cell, const std::string& contender);
// SpreadOver() of that one; nullopt: there is none.
absl::optional<Spread> SpreadOf(Measure measure, const Cell& cell, const std::string& contender);

// The parameter's value; empty: the cell has no such parameter.
std::string ParameterOf(const Cell& cell, const std::string& name);

// The parameter "conns"; 0: the cell has none.
double ConnectionsOf(const Cell& cell);

// "copy size=100K transport=unix conns=16".
std::string TitleOf(const Cell& cell);

}  // namespace objmapper::bench
