// docs/benchmarks/tables.md from a report of `bench report`.
#pragma once

#include <string>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

// Markdown. Every figure, and every word that judges one, is taken from the report; what the report
// does not hold is said to be missing.
std::string DocsOf(const Report& report);

}  // namespace objmapper::bench
