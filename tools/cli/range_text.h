// The value of --range.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/object.h"

namespace objmapper::tools {

// A part of an object: one of the two.
struct AskedRange {
  std::optional<client::Range> range;
  std::optional<uint64_t> last;  // bytes at the end, 1 or more
};

// Reads one of
//   "OFF-END"   from byte OFF to byte END, both included, as in HTTP: "0-99" is 100 bytes
//   "OFF-"      from byte OFF to the end
//   "OFF:LEN"   LEN bytes from byte OFF
//   "-LAST"     the last LAST bytes, or all of a shorter object, as in HTTP
// Numbers are in bytes, or with K, M, G, T behind them in units of 1024, 1024^2, ...
// INVALID_ARGUMENT: anything else, a part that holds no byte, or numbers over 2^64 - 1; the message
// quotes `text` and says what was expected.
absl::StatusOr<AskedRange> ParseRange(absl::string_view text);

}  // namespace objmapper::tools
