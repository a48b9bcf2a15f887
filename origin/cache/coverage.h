// Which bytes of a block have been written, and their checksum, while they come: in one run, or in
// several that meet. One thread's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace objmapper::origin {

class Coverage {
 public:
  using Range = std::pair<uint32_t, uint32_t>;  // begin and end

  // What of [begin, end) is missing, in order.
  std::vector<Range> Gaps(uint32_t begin, uint32_t end) const;
  // [begin, end), of which nothing was there, is there now, and has this CRC32C.
  void Add(uint32_t begin, uint32_t end, uint32_t crc32c);

  // How far it reaches from the block's beginning without a gap.
  uint32_t Prefix() const;
  // The checksum, if exactly [0, bytes) is there.
  std::optional<uint32_t> Whole(uint32_t bytes) const;

 private:
  struct Run {
    uint32_t end = 0;
    uint32_t crc32c = 0;
  };
  std::map<uint32_t, Run> runs_;  // by where they begin; no two of them touch
};

}  // namespace objmapper::origin
