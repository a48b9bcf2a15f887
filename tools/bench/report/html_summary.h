// The top of the page: who wins each cell, and where the subject loses.
#pragma once

#include <string>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

std::string HtmlSummary(const Report& report, const std::string& subject);

}  // namespace objmapper::bench
