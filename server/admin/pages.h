// What the operators' HTTP server shows. Any thread.
#pragma once

#include <string>
#include <vector>

#include "server/admin/history.h"
#include "server/admin/vitals.h"

namespace objmapper::server {

// The status page: one self-contained document that reads /stats each second and draws it with
// Chart.js. Made once.
const std::string& Page();
// Nothing from elsewhere, and talk to this server alone (Content-Security-Policy).
inline constexpr char kPagePolicy[] =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src "
    "'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// /metrics, in Prometheus' text format (prometheus.io, "Exposition formats"). Names begin with
// objmapper_, or process_ where Prometheus' client libraries have settled on one; units are seconds
// and bytes.
std::string ToPrometheus(const Vitals& vitals);

// /stats, what the status page and `objmapper top` read. One object: "totals" since the start,
// "now" (the last second), "history" (oldest first). Latencies are in µs, sizes in bytes.
std::string ToJson(const Vitals& vitals, const std::vector<History::Point>& history);

}  // namespace objmapper::server
