// Vitals in Prometheus' text format (prometheus.io, "Exposition formats").
#pragma once

#include <string>

#include "server/admin/vitals.h"

namespace objmapper::server {

// Names begin with objmapper_, or process_ where Prometheus' client libraries have settled on one;
// units are seconds and bytes. Any thread.
std::string ToPrometheus(const Vitals& vitals);

}  // namespace objmapper::server
