// Measures a cell: all its contenders, in rounds.
#pragma once

#include "absl/status/statusor.h"
#include "tools/bench/cell_plan.h"
#include "tools/bench/object_folder.h"
#include "tools/bench/progress.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

// Starts every contender, and then measures each once in each round, in an order that moves on by
// one from round to round. A contender that does not start, or fails on the way, is in the result
// as missing, with the reason. All processes have ended when this returns.
//
// `progress` makes rounds × contenders steps.
// CANCELLED: it was interrupted. Else: the objects could not be made.
absl::StatusOr<Cell> RunCell(const CellPlan& plan, const Settings& settings, ObjectFolder& folder,
                             Progress& progress);

}  // namespace objmapper::bench
