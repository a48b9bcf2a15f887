// Whether the server keeps up with bare loops where connections are few (workload
// "few_connections").
#pragma once

#include <string>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

// A row for each cell: thousands of requests a second and server CPU of everybody, and each model's
// throughput and CPU per request as ratios, round by round, to the floor that answers more requests
// there: the median, and the lower quartile of throughput. The last lines say in how many cells a
// model has at least 0.95 of that floor's throughput, at most 1.10 of its CPU, and both (medians).
// Empty when there is no such cell.
std::string FewConnectionsText(const Report& report);

}  // namespace objmapper::bench
