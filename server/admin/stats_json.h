// Vitals and their history as JSON: what the status page and `objmapper top` read.
#pragma once

#include <string>
#include <vector>

#include "server/admin/history.h"
#include "server/admin/vitals.h"

namespace objmapper::server {

// One object: "totals" since the start, "now" (the last second), "history" (oldest first).
// Latencies are in µs, sizes in bytes. Any thread.
std::string ToJson(const Vitals& vitals, const std::vector<History::Point>& history);

}  // namespace objmapper::server
