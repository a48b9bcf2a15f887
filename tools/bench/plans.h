// The workloads, one function each, and what they share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/bench/cell_plan.h"

namespace objmapper::bench {

// plan_fdpass.cc: descriptors alone.
Planner PlanFdpass, PlanFewConnections, PlanThroughput, PlanScalability, PlanLatency, PlanPipeline,
    PlanIdle;
// plan_bytes.cc: objects of one size in turn.
Planner PlanCopy, PlanSplice, PlanPut, PlanSets;
// plan_mixed.cc: two kinds of requests on the same server.
Planner PlanMixed, PlanCold;

// CellPlan::rounds_times of cells in an open loop, and of those that read a disk.
inline constexpr int kJumpyRounds = 3;

// `chosen` unless it is empty.
template <typename T>
std::vector<T> Or(const std::vector<T>& chosen, std::vector<T> otherwise) {
  return chosen.empty() ? otherwise : chosen;
}

// A plan with the settings that hold for every workload.
CellPlan BasicPlan(const Settings& settings);

// "100K" is 102400 bytes: the shortest text that --file_size takes for so many.
std::string SizeText(uint64_t bytes);

}  // namespace objmapper::bench
