// Where a contender falls off a cliff: sizes whose neighbours cost much less (workload "sets").
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

// What requests cost by their sizes, as a fixed cost and a cost per byte.
struct CostFit {
  double fixed_us = 0;
  double us_per_byte = 0;
  double At(double bytes) const { return fixed_us + us_per_byte * bytes; }
};

// The line through (bytes, µs) that is nearest in proportion: least squares of the relative errors.
// Neither part is below 0. `costs`: one or more, each above 0.
CostFit FitOf(const std::vector<std::pair<double, double>>& costs);

// One contender, one mode, one number of objects: its sizes in order.
struct SizeCurve {
  std::string title;  // "mode_routing: copy, unix, 16 connections, 10000 objects"
  // bytes; server CPU per request in µs, the median of the rounds
  std::vector<std::pair<uint64_t, double>> costs;
  CostFit fit;
  // The neighbours that differ most beyond the fit: costs[worst] and costs[worst + 1], and how many
  // times more the dearer costs.
  size_t worst = 0;
  double step = 1;
};

// Those with two sizes or more.
std::vector<SizeCurve> CurvesOf(const Report& report);

}  // namespace objmapper::bench
