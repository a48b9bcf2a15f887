// A small file of an operator's, read whole.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace objmapper::net {

enum class Readers : uint8_t {
  kAnybody,
  kNotOthers,  // it holds secrets: a file that others (chmod's "o") may read or write is refused
};

// At most 1 MiB. INVALID_ARGUMENT: it is longer, or others may read or write it.
// Other errors: as ErrnoToStatus; all messages name the file.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, Readers readers);

}  // namespace objmapper::net
