// Who takes part in a cell, and who is the measure.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/cell_plan.h"

namespace objmapper::bench {

// CellPlan::rounds_times of cells in an open loop, and of those that read a disk.
inline constexpr int kJumpyRounds = 3;

// What a workload would have if no flag spoke.
struct DefaultCast {
  std::vector<std::string> floors;  // the first is the baseline
  std::vector<std::string> models = {"mode_routing", "thread_per_request", "thread_pool"};
  std::vector<std::string> peers;  // with --peers
};

// Fills plan.contenders and plan.baseline. --baseline joins the contenders when it is not among
// them.
void ChooseCast(const Settings& settings, const DefaultCast& cast, CellPlan& plan);

// `chosen` unless it is empty.
template <typename T>
std::vector<T> Or(const std::vector<T>& chosen, std::vector<T> otherwise) {
  return chosen.empty() ? otherwise : chosen;
}

// CellPlan::lap where each connection moves so many bytes, at 1 GB/s.
absl::Duration LapOf(int connections, uint64_t bytes);

// A plan with the settings that hold for every workload.
CellPlan BasicPlan(const std::string& workload, const Settings& settings);

}  // namespace objmapper::bench
