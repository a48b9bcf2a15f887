// How a flag that makes no sense is refused: a sentence with its name, its value and what would
// make sense.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace objmapper::server {

// INVALID_ARGUMENT. wanted: the rest of the sentence, without its full stop.
absl::Status Bad(absl::string_view flag, absl::string_view value, absl::string_view wanted);

// OK, or Bad() when `value` is not in [least, most].
absl::Status CheckRange(absl::string_view flag, int64_t value, int64_t least, int64_t most);

}  // namespace objmapper::server
