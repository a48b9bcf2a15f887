// What `objmapper top` and `objmapper stats` show of a server's /stats.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::tools {

// The last second, for a terminal of 80 columns and more: a line for the whole, one for each mode
// and each lane. DATA_LOSS: `stats` is not what a server's /stats says.
absl::StatusOr<std::string> TopText(absl::string_view stats);

// The totals since the start in the same form.
absl::StatusOr<std::string> TotalsText(absl::string_view stats);

// "totals" and "now" of it on one line, without the history. DATA_LOSS as above.
absl::StatusOr<std::string> StatsLine(absl::string_view stats);

}  // namespace objmapper::tools
