// What page.js draws from.
#pragma once

#include <string>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

// The report's medians and quartiles as JSON, safe inside a <script> element: it has no "<".
//   {"cells": [{"workload", "parameters": [[name, value]...], "headline", "series":
//     [{"name", "kind", "values": {measure: [median, low, high]}}]}], "measures": {id: name},
//    "subject": "mode_routing"}
std::string ChartData(const Report& report, const std::string& subject);

}  // namespace objmapper::bench
