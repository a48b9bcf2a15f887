// A whole run: cells planned, measured one after the other, and reported as they come.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/bench/cell_plan.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

// Measures all cells; each one's table goes to stdout when it is done. Interrupted, it ends early
// with the cells that are complete. `command`: as typed, for the report.
absl::StatusOr<Report> RunAll(const std::vector<CellPlan>& plans, const Settings& settings,
                              const std::string& command);

// Writes --json and --html, when given.
absl::Status WriteForms(const Report& report, const Settings& settings);

// "bench report": measures the scenarios (or reads --from_json), and writes --out, and --json and
// --html when given. An interrupted run writes the forms but leaves --out as it was.
absl::Status WriteDocs(const Settings& settings, const std::string& command);

}  // namespace objmapper::bench
