// What objects hold: bytes that can be made anew at any place, no two blocks alike, so that nobody
// has to keep a gibibyte to know whether it has come right.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace objmapper::bench {

// Thread-safe: never changes.
class Content {
 public:
  // Makes all of it once, for its checksum.
  Content(uint64_t seed, uint64_t bytes);

  uint64_t bytes() const { return bytes_; }
  uint32_t crc32c() const { return crc32c_; }  // of the whole
  // Of a part; it lies within.
  uint32_t Crc32cOf(uint64_t offset, uint64_t length) const;
  // The bytes from `offset` on. They lie within.
  void Fill(uint64_t offset, absl::Span<char> out) const;
  // As a new file. Errors name it and the reason.
  absl::Status WriteTo(const std::string& path) const;

 private:
  const std::string block_;
  const uint64_t bytes_;
  uint32_t crc32c_ = 0;
};

}  // namespace objmapper::bench
