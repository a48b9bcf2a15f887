// CRC32C (Castagnoli; RFC 3720, appendix B.4): the checksum of a block, and of a whole object.
//
// Of blocks' sums that of the whole is made without reading it again, in whatever order they came
// and over restarts (Crc32cCombine()); S3 sends this very sum of whole objects
// (x-amz-checksum-crc32c). XXH3, which content etags are made of, is as fast and has more bits, but
// sums of parts say nothing of the whole. What 32 bits do not tell: one in 4 billion damaged
// blocks.
//
// By ISA-L, which has it for every processor (PCLMULQDQ, AVX-512, NEON), at the speed of memory.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace objmapper::origin {

// Of what has the sum `before`, followed by `bytes`. Of nothing: 0.
uint32_t Crc32c(absl::string_view bytes, uint32_t before = 0);

// Of what has the sum `first`, followed by so many bytes that have the sum `second`. Some
// microseconds.
uint32_t Crc32cCombine(uint32_t first, uint32_t second, uint64_t second_bytes);

}  // namespace objmapper::origin
