// CRC-64/NVME, the checksum that S3 keeps of what it is sent since the end of 2024, and by which it
// says what a whole object is, also of one that was put in parts.
//
// Source: NVM Express NVM Command Set 1.0d, 5.2.1.3.4 (polynomial 0xAD93D23594C93659, reflected,
// all ones at the start and the end).
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace objmapper::origin {

// The sum of what has the sum `before`, and `bytes` behind it. 0: there is nothing before.
uint64_t Crc64Nvme(absl::string_view bytes, uint64_t before = 0);

}  // namespace objmapper::origin
