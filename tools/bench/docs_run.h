// "bench report": docs/benchmarks/tables.md made anew.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "tools/bench/settings.h"

namespace objmapper::bench {

// Measures the scenarios (or reads --from_json), and writes --out, and --json and --html when
// given. An interrupted run writes the forms but leaves --out as it was.
absl::Status WriteDocs(const Settings& settings, const std::string& command);

}  // namespace objmapper::bench
