// What the figures amount to: who wins a cell, and where a contender loses.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

// The contender that a report is about: its losses are shown.
inline constexpr char kSubject[] = "mode_routing";

enum class Verdict : uint8_t { kBetter, kTie, kWorse };

// A difference counts when the median is off by more than 3 % and both quartiles of the rounds lie
// on its side; anything else is a tie.
Verdict Judge(const Spread& ratio, bool less_is_better);

// The best of a cell by a measure. Floors are left out: they do less than a server must.
// `except`: is left out too. nullptr: nobody has samples that tell.
const Series* BestOf(const Cell& cell, Measure measure, const Series* except = nullptr);

// The best of one kind.
const Series* BestOfKind(const Cell& cell, Measure measure, Kind kind);

// `contender` was worse than `winner` in `cell` by `measure`; `ratio` is contender / winner.
struct Loss {
  const Cell* cell = nullptr;
  Measure measure = Measure::kRequestsPerSecond;
  const Series* winner = nullptr;
  Spread ratio;
};

// Every cell and measure (throughput, p99, server CPU per request; memory where the cell is about
// it) in which a model or peer did clearly better, the worst first. The latencies of one that left
// more connections without any answer do not count. The report must outlive the result.
std::vector<Loss> LossesOf(const Report& report, const std::string& contender);

// The same against floors: what the contender pays for being a server.
std::vector<Loss> LossesToFloors(const Report& report, const std::string& contender);

// What is not the same for mode_routing as for the others, and in its favour; a sentence or two. A
// reader who finds it out by himself believes nothing else.
std::string NotTheSame(const Report& report);

// "4 of 0.2 s, 12 where figures jump (below saturation, from the disk)": the second number as the
// samples have it.
std::string RoundsText(const Report& report);

// "a CPU, 2 cores, 23.5 GiB", and whether the cores were equally fast.
std::string MachineText(const Machine& machine);

// ---- When a cell's figures should not be believed ----

// What went on around one sample.
struct Surroundings {
  std::string contender;
  double seconds = 0;  // of the window in which answers count
  double wall_s = 0;   // of all the time that others_cpu_s and stolen_s were summed over
  double client_cpu_s = 0;
  double server_cpu_s = 0;
  double others_cpu_s = 0;  // of processes that are neither
  double stolen_s = 0;
  bool polling = false;  // the client spins: it is busy whatever the server does
};

// The client was the limit; the machine was noisy; answers were wrong; an open loop fell behind.
std::vector<std::string> WarningsOf(const Cell& cell, const std::vector<Surroundings>& surroundings,
                                    int client_threads, int cores);

}  // namespace objmapper::bench
