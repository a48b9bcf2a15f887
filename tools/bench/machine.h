// What it all runs on, and who else is busy there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

Machine ThisMachine();

// How fast the slowest of these cores counts, of how fast the fastest does; 1 when they are equal.
// A neighbour on the same physical core, of another virtual machine say, shows here and in nothing
// that the kernel reports. Takes 20 ms for each core.
double SlowestOf(const std::vector<int>& cores);

// Bytes that can be had without pushing others out (proc(5), /proc/meminfo); 0 where nobody says.
uint64_t MemoryAvailable();

// UTC, ISO 8601.
std::string Now();

// Time that the whole machine's cores have spent since it started, in seconds (proc(5),
// /proc/stat).
struct CoreTime {
  double busy = 0;    // of any process here
  double stolen = 0;  // wanted, but given to another virtual machine
};
CoreTime CoreTimeSoFar();

}  // namespace objmapper::bench
