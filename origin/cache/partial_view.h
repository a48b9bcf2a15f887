// What readers see of an object that is being filled: its file, and how much of each block is
// there.
//
// Shared by the fill and all who read behind it, on any thread, and good for as long as somebody
// holds it: after the object has been published (it is the same file), discarded or left. What it
// says is here stays here, but for a block that PartialObject::Verify() finds damaged.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "net/unique_fd.h"

namespace objmapper::origin {

class PartialView {
 public:
  PartialView(net::UniqueFd file, uint64_t size, uint32_t block_bytes, uint64_t blocks);

  uint64_t size() const { return size_; }
  uint32_t block_bytes() const { return block_bytes_; }
  // For pread(2), sendfile(2) and splice(2) with offsets of their own, of what ReadableFrom() has
  // said; never to be passed to a client, for whom the rest would read as zeros.
  int fd() const { return file_.get(); }

  // Whether all of a block is here and has its checksum in the map.
  bool IsValid(uint64_t block) const {
    return (blocks_[block].load(std::memory_order_acquire) & kValid) != 0;
  }
  // How many bytes are here from `offset` on, without a gap; 0 from the end on. Also those of
  // blocks that are still coming, which may belong to an object that fails its check in the end: so
  // the last ones are for whoever knows that it has not.
  uint64_t ReadableFrom(uint64_t offset) const;
  // Reads of them as many as fit `to`; 0: none is here. Never what is not. Waits for the disk. As
  // net::ErrnoToStatus, and DATA_LOSS: the file has been cut.
  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> to) const;

 private:
  friend class PartialObject;
  // A block's bytes from its beginning on, and whether it is valid.
  static constexpr uint32_t kValid = uint32_t{1} << 31;

  const net::UniqueFd file_;
  const uint64_t size_;
  const uint32_t block_bytes_;
  const uint64_t block_count_;
  const std::unique_ptr<std::atomic<uint32_t>[]> blocks_;  // stored after the bytes are written
};

}  // namespace objmapper::origin
