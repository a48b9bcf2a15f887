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
// plan_http.cc: HTTP, ours beside our own protocol and other people's servers.
Planner PlanHttp;
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

// ---- plan_bytes.cc: objects of one size ----

struct Shape {
  Transport transport;
  int connections;
  int objects;
  uint64_t size;
};

// Every transport that carries what `ask` needs, number of connections and of objects, and size:
// those of the flags, else these.
std::vector<Shape> Shapes(const Settings& settings, Ask ask, std::vector<int> connections,
                          std::vector<uint64_t> sizes, const std::vector<int>& objects = {1});

// A cell of that shape, which has no objects yet.
CellPlan BytesPlan(const Settings& settings, Ask ask, const Shape& shape);

// So many objects, asked for in turn.
void AddObjects(const std::string& prefix, uint64_t count, uint64_t size, CellPlan& plan);

// So many names of that size are stored in turn: fewer of large ones, to stay in the page cache.
uint64_t StoredNames(uint64_t size);

// "100K" is 102400 bytes: the shortest text that --file_size takes for so many.
std::string SizeText(uint64_t bytes);

}  // namespace objmapper::bench
