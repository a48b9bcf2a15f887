// Times as people write them: the values of flags, of the server's and of the command line's.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace objmapper::text {

// Reads "500ms", "30s", "1h30m", "inf" and what else absl::ParseDuration() knows; and a number
// alone, as seconds: "5", "0.5". False, and *duration is as it was, for anything else and for more
// seconds than could be meant (10^12). A duration may be negative only with a unit. Thread-safe.
bool ParseDuration(absl::string_view text, absl::Duration* duration);

}  // namespace objmapper::text
