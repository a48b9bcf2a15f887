// What a body's signature and an object's mark say of its bytes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace objmapper::origin {

struct Digest {
  std::string sha256;   // in hexadecimal digits
  uint32_t crc32c = 0;  // of these bytes alone (origin/cache/crc32c.h)
};

// Of `bytes` of `file` from `begin` on. Reads them, so it may wait for the disk. DATA_LOSS: the
// file ends before. Else as storage::DiskError().
absl::StatusOr<Digest> DigestOf(int file, uint64_t begin, uint64_t bytes);

}  // namespace objmapper::origin
