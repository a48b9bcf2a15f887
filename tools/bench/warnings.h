// When a cell's figures should not be believed.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

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
